package io.coffer.mount;

import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.store.LocalStore;
import io.coffer.vfs.EncryptedFilesystem;
import io.coffer.vfs.PolicyFilesystem;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A volume with fscrypt policies in which everything is encrypted, which two nodes have open. */
final class PolicyBackend implements Backend {
  private static final int MOST_BYTES = 4096;

  private final Path path;
  private final LocalStore store;
  private final PolicyFilesystem files;
  private final PolicyFilesystem elsewhere;

  PolicyBackend(Path path) throws IOException {
    this.path = path;
    store = LocalStore.open(path);
    files = open();
    elsewhere = open();
  }

  private PolicyFilesystem open() throws ErrnoException {
    var opened = new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
    opened.encryptEverythingForTests();
    return opened;
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
    int flags = Flags.O_WRONLY | Flags.O_CREAT | Flags.O_TRUNC;
    long handle = elsewhere.create(VirtualFilesystem.ROOT, bytes, flags, 0644).handle();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment data = arena.allocateFrom(text);
      if (elsewhere.write(handle, 0, data, 0, (int) data.byteSize() - 1) < text.length()) {
        throw new ErrnoException(Errno.ENOSPC);
      }
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

  /** Data units lie where they lie in the plain file. */
  @Override
  public boolean keepsHoles() {
    return true;
  }

  @Override
  public void close() throws ErrnoException {
    elsewhere.close();
    store.close();
  }
}
