package io.coffer.cli;

import io.coffer.format.FormatException;
import io.coffer.format.fscrypt.FscryptContext;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.FscryptStoredAttributes;
import io.coffer.format.fscrypt.FscryptSymlinks;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.FileStatus;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.store.StoreDirectory;
import io.coffer.store.StoreFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;

/**
 * The outside of something stored in an fscrypt tree, as anybody sees it who has no key.
 *
 * @param realSize of a regular file, -1 if its attribute is missing or damaged
 * @param targetBytes of a symbolic link, enciphered
 * @param data ranges of a regular file that are not holes, in bytes from the first to the one after
 */
record StoredTreeEntry(
    FscryptContext context, FileStatus status, long realSize, int targetBytes, List<Range> data) {
  /** From the first byte to the one after the last. */
  record Range(long from, long to) {}

  /** Null if it is nothing of an fscrypt tree. */
  static @Nullable StoredTreeEntry read(Path path) throws CommandException, ErrnoException {
    Path absolute = path.toAbsolutePath().normalize();
    Path parent = absolute.getParent();
    Path last = absolute.getFileName();
    if (parent == null || last == null) {
      return null;
    }
    byte[] name = last.toString().getBytes(StandardCharsets.UTF_8);
    try (LocalStore store = LocalStore.open(parent)) {
      return read(store.root(), name);
    } catch (ErrnoException e) {
      if (e.errno() == Errno.ENOENT || e.errno() == Errno.EOPNOTSUPP) {
        return null;
      }
      throw e;
    } catch (FormatException e) {
      throw new CommandException(
          ExitCode.OTHER, path + " is damaged: " + e.getMessage(), "coffer check DIR");
    }
  }

  private static @Nullable StoredTreeEntry read(StoreDirectory directory, byte[] name)
      throws ErrnoException, FormatException {
    FileStatus status = directory.status(name);
    if (status.isSymlink()) {
      try {
        FscryptSymlinks.Stored link = FscryptSymlinks.parse(directory.readLink(name));
        return new StoredTreeEntry(link.context(), status, -1, link.target().length - 2, List.of());
      } catch (FormatException e) {
        return null; // an ordinary link
      }
    }
    byte[] stored =
        status.isRegular() || status.isDirectory()
            ? directory.getXattr(name, FscryptStoredAttributes.contextName())
            : null;
    if (stored == null) {
      return null;
    }
    FscryptContext context = FscryptStoredAttributes.context(stored);
    if (status.isDirectory()) {
      return new StoredTreeEntry(context, status, -1, 0, List.of());
    }
    long size =
        FscryptStoredAttributes.size(directory.getXattr(name, FscryptStoredAttributes.sizeName()));
    try (StoreFile file = directory.openFile(name, Flags.O_RDONLY, 0)) {
      return new StoredTreeEntry(context, status, size, 0, data(file, status.size()));
    }
  }

  private static List<Range> data(StoreFile file, long size) throws ErrnoException {
    var ranges = new ArrayList<Range>();
    long at = 0;
    while (at < size) {
      try {
        long from = file.seek(at, Flags.SEEK_DATA);
        long to = file.seek(from, Flags.SEEK_HOLE);
        ranges.add(new Range(from, to));
        at = to;
      } catch (ErrnoException e) {
        if (e.errno() == Errno.ENXIO) {
          break;
        }
        throw e;
      }
    }
    return ranges;
  }

  /** One JSON object; sizes in bytes, the real size only if its attribute is sound. */
  void printJson(Ui ui) {
    FscryptPolicy policy = context.policy();
    HexFormat hex = HexFormat.of();
    try (JsonGenerator g = Json.generator(ui.out())) {
      g.writeStartObject();
      g.writeStringProperty("format", "fscrypt");
      g.writeStringProperty("contents", StatusCommand.mode(policy.contents().name()));
      g.writeStringProperty("names", StatusCommand.mode(policy.names().name()));
      g.writeNumberProperty("padding", policy.padding());
      g.writeNumberProperty("dataUnitBytes", policy.dataUnitBytes());
      g.writeStringProperty("key", hex.formatHex(policy.masterKeyIdentifier()));
      g.writeStringProperty("nonce", hex.formatHex(context.nonce()));
      if (status.isSymlink()) {
        g.writeNumberProperty("targetBytes", targetBytes);
      }
      if (status.isRegular()) {
        if (realSize >= 0) {
          g.writeNumberProperty("plainSize", realSize);
        }
        g.writeNumberProperty("storedSize", status.size());
        g.writeBooleanProperty("sound", realSize >= 0 && sizesFit(policy.dataUnitBytes()));
        g.writeArrayPropertyStart("data");
        for (Range each : data) {
          g.writeStartObject();
          g.writeNumberProperty("from", each.from);
          g.writeNumberProperty("to", each.to);
          g.writeEndObject();
        }
        g.writeEndArray();
      }
      g.writeEndObject();
    }
    ui.out().println();
  }

  private boolean sizesFit(int unit) {
    return status.size() % unit == 0 && realSize <= status.size();
  }

  void print(Ui ui) {
    FscryptPolicy policy = context.policy();
    ui.out().println("Contents: " + StatusCommand.mode(policy.contents().name()));
    ui.out()
        .println(
            "Names: "
                + StatusCommand.mode(policy.names().name())
                + ", padded to "
                + policy.padding());
    ui.out().println("Data unit: " + policy.dataUnitBytes() + " bytes");
    HexFormat hex = HexFormat.of();
    ui.out().println("Key: " + hex.formatHex(policy.masterKeyIdentifier()));
    ui.out().println("Nonce: " + hex.formatHex(context.nonce()));
    if (status.isSymlink()) {
      ui.out().println("Target: " + targetBytes + " bytes, enciphered");
    }
    if (status.isRegular()) {
      printSizes(ui, policy.dataUnitBytes());
    }
  }

  private void printSizes(Ui ui, int unit) {
    long stored = status.size();
    ui.out()
        .println(
            "Plain size: "
                + (realSize < 0
                    ? "unknown, its attribute is missing or damaged"
                    : realSize + " bytes")
                + ", stored size: "
                + stored);
    if (!sizesFit(unit)) {
      ui.out()
          .println(
              "The sizes do not fit: a program that knows nothing of the encryption changed it");
    }
    for (Range range : data) {
      ui.out()
          .printf(
              "Data: bytes %d to %d, units %d to %d%n",
              range.from, range.to - 1, range.from / unit, (range.to - 1) / unit);
    }
  }
}
