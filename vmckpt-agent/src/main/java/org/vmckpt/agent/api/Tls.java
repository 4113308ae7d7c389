package org.vmckpt.agent.api;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jetty.util.ssl.SslContextFactory;
import org.vmckpt.agent.config.AgentConfig;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.UnsupportedException;
import org.vmckpt.core.VmckptException;

/** TLS in which each client shows a certificate of an authority that we were told to trust. */
final class Tls {
    private static final Pattern PKCS8 =
            Pattern.compile(
                    "-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");
    private static final List<String> ALGORITHMS = List.of("EC", "RSA", "Ed25519");

    private Tls() {}

    static SslContextFactory.Server server(AgentConfig.Tcp tcp) throws VmckptException {
        try {
            SslContextFactory.Server tls = new SslContextFactory.Server();
            tls.setKeyStore(keyStore(tcp));
            tls.setKeyStorePassword("");
            tls.setTrustStore(trustStore(tcp.clients()));
            tls.setNeedClientAuth(true);
            tls.setIncludeProtocols("TLSv1.3");
            tls.setSniRequired(false);
            return tls;
        } catch (GeneralSecurityException e) {
            throw new UnsupportedException(
                    "serve the API over TCP with "
                            + tcp.certificate()
                            + ", "
                            + tcp.key()
                            + " and "
                            + tcp.clients()
                            + ": "
                            + e.getMessage(),
                    e);
        } catch (IOException e) {
            throw new StorageException("read the certificates of api.tcp: " + e, e);
        }
    }

    private static KeyStore keyStore(AgentConfig.Tcp tcp)
            throws GeneralSecurityException, IOException, VmckptException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        Certificate[] chain = certificates(tcp.certificate()).toArray(Certificate[]::new);
        store.setKeyEntry("agent", key(tcp.key()), new char[0], chain);
        return store;
    }

    private static KeyStore trustStore(Path file)
            throws GeneralSecurityException, IOException, VmckptException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        int number = 0;
        for (Certificate authority : certificates(file)) {
            store.setCertificateEntry("client-" + number++, authority);
        }
        return store;
    }

    private static Collection<? extends Certificate> certificates(Path file)
            throws GeneralSecurityException, IOException, VmckptException {
        try (InputStream in = Files.newInputStream(file)) {
            Collection<? extends Certificate> all =
                    CertificateFactory.getInstance("X.509").generateCertificates(in);
            if (all.isEmpty()) {
                throw new UnsupportedException(
                        "read " + file + ": expected certificates in PEM, found none");
            }
            return all;
        }
    }

    private static PrivateKey key(Path file)
            throws GeneralSecurityException, IOException, VmckptException {
        Matcher pem = PKCS8.matcher(Files.readString(file));
        if (pem.find()) {
            byte[] bytes = Base64.getMimeDecoder().decode(pem.group(1));
            for (String algorithm : ALGORITHMS) {
                try {
                    return KeyFactory.getInstance(algorithm)
                            .generatePrivate(new PKCS8EncodedKeySpec(bytes));
                } catch (InvalidKeySpecException e) {
                    // It is a key of another algorithm.
                }
            }
        }
        throw new UnsupportedException(
                "read "
                        + file
                        + ": expected a PKCS#8 key in PEM (BEGIN PRIVATE KEY), without a password;"
                        + " 'openssl pkcs8 -topk8 -nocrypt' makes one of others");
    }
}
