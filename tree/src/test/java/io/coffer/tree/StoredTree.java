package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.FormatException;
import io.coffer.format.NameCodec.StoredName;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.keys.GocryptfsVolume;
import io.coffer.store.LocalStore;
import io.coffer.store.Store;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** A volume whose stored form is written directly, so that it can be damaged where one likes. */
final class StoredTree implements AutoCloseable {
  static final String PASSWORD = "test";

  final Path root;
  final GocryptfsFormat format;

  StoredTree(Path root, GocryptfsOptions options) throws Exception {
    this.root = root;
    try (SecretBytes password = SecretBytes.copyOf(PASSWORD.getBytes(UTF_8))) {
      var volume =
          GocryptfsVolume.create(root, null, false, options.withScryptLogN(10), password, null);
      try (SecretBytes key = volume.unlock(password)) {
        format = volume.format(key, true);
      }
    }
  }

  StoredTree(Path existing) throws Exception {
    root = existing;
    var volume = GocryptfsVolume.open(existing, false);
    try (SecretBytes password = SecretBytes.copyOf(PASSWORD.getBytes(UTF_8));
        SecretBytes key = volume.unlock(password)) {
      format = volume.format(key, true);
    }
  }

  @Override
  public void close() {
    format.close();
  }

  /** Where the entry of a plain name is, or shall be; makes its sidecar. */
  Path entry(Path parent, String name) throws IOException, FormatException {
    byte[] context = new byte[0];
    if (format.directoryContextName() != null) {
      context = Files.readAllBytes(parent.resolve("gocryptfs.diriv"));
    }
    StoredName stored = format.names(context).encode(name.getBytes(UTF_8));
    if (stored.sidecarName() != null && stored.sidecarContent() != null) {
      Files.write(parent.resolve(new String(stored.sidecarName(), UTF_8)), stored.sidecarContent());
    }
    return parent.resolve(new String(stored.name(), UTF_8));
  }

  Path directory(Path parent, String name) throws IOException, FormatException {
    Path made = Files.createDirectory(entry(parent, name));
    if (format.directoryContextName() != null) {
      Files.write(made.resolve("gocryptfs.diriv"), format.newDirectoryContext());
    }
    return made;
  }

  Path file(Path parent, String name, byte[] content) throws IOException, FormatException {
    return Files.write(entry(parent, name), sealed(content));
  }

  private byte[] sealed(byte[] content) throws FormatException {
    if (content.length == 0) {
      return content;
    }
    byte[] header = format.newFileHeader();
    var all = new ByteArrayOutputStream();
    all.writeBytes(header);
    try (Arena arena = Arena.ofConfined()) {
      var plain = arena.allocateFrom(ValueLayout.JAVA_BYTE, content);
      var stored = arena.allocate(format.layout().storedSize(content.length));
      int length = format.contents(header).seal(0, plain, 0, content.length, stored, 0);
      all.writeBytes(stored.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE));
    }
    return all.toByteArray();
  }

  Path symlink(Path parent, String name, String target) throws IOException, FormatException {
    String sealed = new String(format.sealSymlink(target.getBytes(UTF_8)), UTF_8);
    return Files.createSymbolicLink(entry(parent, name), Path.of(sealed));
  }

  /** A check's findings and summary. */
  record Result(VolumeCheck.Summary summary, List<Finding> findings) {
    Finding only() {
      if (findings.size() != 1) {
        throw new AssertionError("not exactly one finding: " + findings);
      }
      return findings.getFirst();
    }

    List<Finding.Kind> kinds() {
      return findings.stream().map(Finding::kind).sorted().toList();
    }
  }

  Result check(boolean repair) throws Exception {
    return check(repair, store -> store);
  }

  /**
   * @param as what the check sees of the store
   */
  Result check(boolean repair, UnaryOperator<Store> as) throws Exception {
    var findings = new ArrayList<Finding>();
    try (Store store = as.apply(LocalStore.open(root))) {
      var summary =
          VolumeCheck.run(
              store,
              format,
              repair,
              new VolumeCheck.Listener() {
                @Override
                public void found(Finding finding) {
                  findings.add(finding);
                }

                @Override
                public void progress(long files, long bytes) {}
              });
      return new Result(summary, findings);
    }
  }
}
