package org.vmckpt.cli;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.vmckpt.core.HumanSize;
import org.vmckpt.core.Manifest;
import org.vmckpt.core.NotFoundException;
import org.vmckpt.core.RefusedException;
import org.vmckpt.core.StorageException;
import org.vmckpt.core.VmckptException;
import org.vmckpt.core.store.Store;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** Takes in what {@link ExportCommand} wrote. */
@Command(
        name = "import",
        header = "Take an exported checkpoint into the store.",
        description = {
            "%nReads what 'vmckpt export' wrote and verifies all of it before anything becomes"
                    + " visible. The store is created when it does not exist.%n"
        },
        footerHeading = "%nExamples:%n",
        footer = {
            "  vmckpt import /mnt/usb/before-upgrade.tar.zst",
            "  ssh hostA vmckpt export latest - | vmckpt import -"
        })
final class ImportCommand implements Callable<Integer> {
    private static final int BUFFER_BYTES = 1 << 16;

    private final Session session;

    @Parameters(
            paramLabel = "FILE",
            description = "An exported checkpoint, or '-' for standard input.")
    private String source = "";

    ImportCommand(Session session) {
        this.session = session;
    }

    @Override
    public Integer call() throws VmckptException {
        try (InputStream in = open();
                Store store = session.openOrCreateStore()) {
            Manifest manifest = read(store, in);
            report(manifest, store);
        } catch (IOException e) {
            throw new StorageException("import from " + source + ": cannot read: " + e, e);
        }
        return ExitCode.OK.number();
    }

    private Manifest read(Store store, InputStream in) throws VmckptException {
        try (ProgressDisplay progress = session.progress()) {
            return store.importFrom(in, progress);
        }
    }

    private InputStream open() throws VmckptException, IOException {
        if (source.equals(ExportCommand.STANDARD_STREAM)) {
            if (session.streams().inIsTerminal()) {
                throw new RefusedException(
                        "import from standard input: it is a terminal; redirect a file into it, or"
                                + " name the file");
            }
            return new BufferedInputStream(session.streams().in(), BUFFER_BYTES);
        }
        try {
            return new BufferedInputStream(Files.newInputStream(Path.of(source)), BUFFER_BYTES);
        } catch (NoSuchFileException e) {
            throw new NotFoundException(
                    "import from " + source + ": there is no such file; check its name", e);
        }
    }

    private void report(Manifest manifest, Store store) throws VmckptException {
        long storedBytes = store.storedBytes(manifest);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", manifest.id());
        json.put("name", manifest.name());
        json.put("memoryBytes", manifest.memoryBytes());
        json.put("storedBytes", storedBytes);
        session.printResult(
                json,
                out ->
                        out.println(
                                manifest.id()
                                        + " imported: "
                                        + HumanSize.format(storedBytes)
                                        + " in "
                                        + store.directory()));
    }
}
