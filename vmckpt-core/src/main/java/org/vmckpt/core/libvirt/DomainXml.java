package org.vmckpt.core.libvirt;

import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.UnaryOperator;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerException;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.vmckpt.core.CorruptException;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.InputSource;

/** A domain's definition, as libvirt writes it. */
public final class DomainXml {
    private static final String FILE = "file";
    private static final List<String> PATH_ATTRIBUTES = List.of(FILE, "path", "dir", "socket");
    private static final Set<String> PATH_ELEMENTS =
            Set.of("kernel", "initrd", "dtb", "loader", "nvram");

    private final Document document;

    private DomainXml(Document document) {
        this.document = document;
    }

    /** Reads it; there are no external entities. */
    public static DomainXml parse(String text) throws CorruptException {
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
            factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            var builder = factory.newDocumentBuilder();
            builder.setErrorHandler(null);
            return new DomainXml(builder.parse(new InputSource(new StringReader(text))));
        } catch (ParserConfigurationException e) {
            throw new IllegalStateException(e);
        } catch (org.xml.sax.SAXException | java.io.IOException e) {
            throw new CorruptException(
                    "reading the definition of a libvirt domain: it is no XML: " + e.getMessage(),
                    e);
        }
    }

    /** Disks that lie in files, by target. */
    public Map<String, Path> diskFiles() {
        Map<String, Path> files = new LinkedHashMap<>();
        for (Element disk : disks()) {
            Optional<String> target = child(disk, "target").map(it -> it.getAttribute("dev"));
            Optional<String> file = child(disk, "source").map(it -> it.getAttribute(FILE));
            if (target.isPresent() && file.isPresent() && !file.get().isEmpty()) {
                files.put(target.get(), Path.of(file.get()));
            }
        }
        return files;
    }

    public String name() {
        return child(document.getDocumentElement(), "name").map(Node::getTextContent).orElse("");
    }

    public void rename(String name) {
        setText("name", name);
    }

    public Optional<UUID> uuid() {
        return child(document.getDocumentElement(), "uuid")
                .map(it -> UUID.fromString(it.getTextContent().strip()));
    }

    /** Another UUID, and network cards that libvirt gives new addresses. */
    public void renew(UUID uuid) {
        setText("uuid", uuid.toString());
        for (Element devices : children(document.getDocumentElement(), "devices")) {
            for (Element card : children(devices, "interface")) {
                children(card, "mac").forEach(card::removeChild);
            }
        }
    }

    private void setText(String name, String text) {
        Element root = document.getDocumentElement();
        child(root, name).orElseGet(() -> add(root, name)).setTextContent(text);
    }

    /** Puts another file in place of that of a disk, with nothing below it. */
    public void setDiskFile(String target, Path file, String format) {
        for (Element disk : disks()) {
            boolean meant =
                    child(disk, "target")
                            .filter(it -> it.getAttribute("dev").equals(target))
                            .isPresent();
            if (meant) {
                child(disk, "source")
                        .orElseGet(() -> add(disk, "source"))
                        .setAttribute(FILE, file.toString());
                child(disk, "driver")
                        .orElseGet(() -> add(disk, "driver"))
                        .setAttribute("type", format);
                children(disk, "backingStore").forEach(disk::removeChild);
            }
        }
    }

    /** Translates every path of the host that the definition names. */
    public void mapPaths(UnaryOperator<Path> map) {
        mapPaths(document.getDocumentElement(), map);
    }

    private static void mapPaths(Element element, UnaryOperator<Path> map) {
        for (String name : PATH_ATTRIBUTES) {
            String path = element.getAttribute(name);
            if (path.startsWith("/")) {
                element.setAttribute(name, map.apply(Path.of(path)).toString());
            }
        }
        boolean leaf = true;
        for (Node node = element.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element inner) {
                leaf = false;
                mapPaths(inner, map);
            }
        }
        String text = leaf ? element.getTextContent().strip() : "";
        if (text.startsWith("/") && PATH_ELEMENTS.contains(element.getTagName())) {
            element.setTextContent(map.apply(Path.of(text)).toString());
        }
    }

    private List<Element> disks() {
        return child(document.getDocumentElement(), "devices").stream()
                .flatMap(devices -> children(devices, "disk").stream())
                .toList();
    }

    /** What virDomainSnapshotCreateXML takes; disks that are not named stay as they are. */
    static String snapshot(List<LibvirtDomain.NewLayer> layers, Collection<String> allTargets)
            throws CorruptException {
        DomainXml xml = parse("<domainsnapshot><disks/></domainsnapshot>");
        Element disks = child(xml.document.getDocumentElement(), "disks").orElseThrow();
        List<String> others = new ArrayList<>(allTargets);
        for (LibvirtDomain.NewLayer layer : layers) {
            others.remove(layer.target());
            Element disk = xml.add(disks, "disk");
            disk.setAttribute("name", layer.target());
            disk.setAttribute("snapshot", "external");
            xml.add(disk, "driver").setAttribute("type", "qcow2");
            xml.add(disk, "source").setAttribute(FILE, layer.file().toString());
        }
        for (String other : others) {
            Element disk = xml.add(disks, "disk");
            disk.setAttribute("name", other);
            disk.setAttribute("snapshot", "no");
        }
        return xml.text();
    }

    private Element add(Element parent, String name) {
        Element element = document.createElement(name);
        parent.appendChild(element);
        return element;
    }

    static Optional<Element> child(Element parent, String name) {
        return children(parent, name).stream().findFirst();
    }

    static List<Element> children(Element parent, String name) {
        List<Element> found = new ArrayList<>();
        for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element element && element.getTagName().equals(name)) {
                found.add(element);
            }
        }
        return found;
    }

    /** The definition as libvirt reads it. */
    public String text() {
        try {
            Transformer transformer = TransformerFactory.newInstance().newTransformer();
            transformer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
            StringWriter out = new StringWriter();
            transformer.transform(new DOMSource(document), new StreamResult(out));
            return out.toString();
        } catch (TransformerException e) {
            throw new IllegalStateException(e);
        }
    }
}
