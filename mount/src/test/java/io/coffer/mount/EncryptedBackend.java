package io.coffer.mount;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.gocryptfs.GocryptfsConfig;
import io.coffer.format.gocryptfs.GocryptfsFormat;
import io.coffer.format.gocryptfs.GocryptfsOptions;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.vfs.EncryptedFilesystem;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** A gocryptfs volume, which two nodes have open. */
final class EncryptedBackend implements Backend {
  private static final int MOST_BYTES = 4096;

  private final Path path;
  private final LocalStore store;
  private final GocryptfsFormat format;
  private final EncryptedFilesystem files;
  private final EncryptedFilesystem elsewhere;

  EncryptedBackend(Path path) throws IOException {
    this.path = path;
    store = LocalStore.open(path);
    try (SecretBytes password = SecretBytes.copyOf(new byte[] {'p'});
        SecretBytes key = SecretBytes.copyOf(new byte[GocryptfsConfig.MASTER_KEY_BYTES])) {
      var options = GocryptfsOptions.DEFAULT.withScryptLogN(10);
      format = new GocryptfsFormat(GocryptfsConfig.create(options, password, key), key, true);
    }
    byte[] name = format.directoryContextName();
    if (name != null) {
      Path context = path.resolve(new String(name, StandardCharsets.US_ASCII));
      Files.write(context, format.newDirectoryContext());
      // As gocryptfs makes it: not for everybody.
      Files.setPosixFilePermissions(context, PosixFilePermissions.fromString("r--r-----"));
    }
    files = new EncryptedFilesystem(store, format);
    elsewhere = new EncryptedFilesystem(store, format);
  }

  @Override
  public VirtualFilesystem files() {
    return files;
  }

  @Override
  public Path stored(String plain) throws ErrnoException {
    byte[] stored = elsewhere.encryptPath(plain.getBytes(StandardCharsets.UTF_8));
    return path.resolve(new String(stored, StandardCharsets.UTF_8));
  }

  @Override
  public void writeElsewhere(String name, String text) throws IOException {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    long handle;
    try {
      long id = elsewhere.lookup(VirtualFilesystem.ROOT, bytes).id();
      handle = elsewhere.open(id, Flags.O_WRONLY | Flags.O_TRUNC);
    } catch (ErrnoException e) {
      if (e.errno() != Errno.ENOENT) {
        throw e;
      }
      int flags = Flags.O_WRONLY | Flags.O_CREAT;
      handle = elsewhere.create(VirtualFilesystem.ROOT, bytes, flags, 0644).handle();
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocateFrom(text);
      elsewhere.write(handle, 0, data, 0, (int) data.byteSize() - 1);
    } finally {
      elsewhere.release(handle);
    }
  }

  @Override
  public String readElsewhere(String name) throws IOException {
    long id = elsewhere.lookup(VirtualFilesystem.ROOT, name.getBytes(StandardCharsets.UTF_8)).id();
    long handle = elsewhere.open(id, Flags.O_RDONLY);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocate(MOST_BYTES);
      int count = elsewhere.read(handle, 0, data, 0, MOST_BYTES);
      byte[] text = data.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE);
      return new String(text, StandardCharsets.UTF_8);
    } finally {
      elsewhere.release(handle);
    }
  }

  /** Stored blocks are longer than plain ones: holes do not begin where plain ones do. */
  @Override
  public boolean keepsHoles() {
    return false;
  }

  @Override
  public void close() throws ErrnoException {
    elsewhere.close();
    format.close();
    store.close();
  }
}
