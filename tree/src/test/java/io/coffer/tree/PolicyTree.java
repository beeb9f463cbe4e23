package io.coffer.tree;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.coffer.crypto.SecretBytes;
import io.coffer.format.fscrypt.ContentsMode;
import io.coffer.format.fscrypt.FscryptMasterKey;
import io.coffer.format.fscrypt.FscryptPolicy;
import io.coffer.format.fscrypt.NamesMode;
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
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** A volume with fscrypt policies in a directory, without a mount. Paths are relative to it. */
final class PolicyTree implements AutoCloseable {
  private static final int KEY_BYTES = 64;

  final Path directory;
  final LocalStore store;
  final PolicyFilesystem files;

  PolicyTree(Path directory) throws ErrnoException {
    this.directory = directory;
    this.store = LocalStore.open(directory);
    this.files = new PolicyFilesystem(store, EncryptedFilesystem.Options.defaults(), null);
  }

  /** The key number {@code seed}. */
  static SecretBytes key(int seed) {
    byte[] raw = new byte[KEY_BYTES];
    for (int i = 0; i < raw.length; i++) {
      raw[i] = (byte) (seed * 3 + i);
    }
    return SecretBytes.take(raw);
  }

  static FscryptMasterKey masterKey(int seed) {
    try (SecretBytes key = key(seed)) {
      return new FscryptMasterKey(key);
    }
  }

  byte[] unlock(int seed) throws ErrnoException {
    try (SecretBytes key = key(seed)) {
      return files.unlock(0, key);
    }
  }

  /** Makes a directory that is encrypted under the key number {@code seed}. */
  void encrypted(String path, int seed, NamesMode names) throws ErrnoException {
    byte[] identifier = unlock(seed);
    makeDirectory(path);
    var policy = new FscryptPolicy(ContentsMode.AES_256_XTS, names, 16, 12, identifier);
    files.setPolicy(0, path.getBytes(UTF_8), policy);
  }

  private static byte[] last(String path) {
    return path.substring(path.lastIndexOf('/') + 1).getBytes(UTF_8);
  }

  private long parent(String path) throws ErrnoException {
    int slash = path.lastIndexOf('/');
    return slash < 0 ? VirtualFilesystem.ROOT : find(path.substring(0, slash)).id();
  }

  VirtualFilesystem.Entry find(String path) throws ErrnoException {
    return files.lookup(parent(path), last(path));
  }

  void makeDirectory(String path) throws ErrnoException {
    files.makeDirectory(parent(path), last(path), 0755);
  }

  void symlink(String path, String target) throws ErrnoException {
    files.symlink(parent(path), last(path), target.getBytes(UTF_8));
  }

  String readLink(String path) throws ErrnoException {
    return new String(files.readLink(find(path).id()), UTF_8);
  }

  /** Makes a file with this at an offset. */
  void write(String path, long offset, byte[] bytes) throws ErrnoException {
    var created = files.create(parent(path), last(path), Flags.O_RDWR, 0644);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      if (files.write(created.handle(), offset, segment, 0, bytes.length) != bytes.length) {
        throw new ErrnoException(Errno.ENOSPC);
      }
    } finally {
      files.release(created.handle());
    }
  }

  byte[] read(String path) throws ErrnoException {
    long id = find(path).id();
    int size = (int) files.status(id, 0).size();
    long handle = files.open(id, Flags.O_RDONLY);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment segment = arena.allocate(size + 1L);
      int read = files.read(handle, 0, segment, 0, size + 1);
      return segment.asSlice(0, read).toArray(ValueLayout.JAVA_BYTE);
    } finally {
      files.release(handle);
    }
  }

  /** The names in a directory, "." and ".." left out. */
  List<String> list(String path) throws ErrnoException {
    var names = new ArrayList<String>();
    long handle = files.openDirectory(path.isEmpty() ? VirtualFilesystem.ROOT : find(path).id());
    try {
      files.list(
          handle,
          0,
          false,
          (name, inode, type, cookie, entry) -> {
            String text = new String(name, UTF_8);
            if (!text.equals(".") && !text.equals("..")) {
              names.add(text);
            }
            return true;
          });
    } finally {
      files.releaseDirectory(handle);
    }
    names.sort(String::compareTo);
    return names;
  }

  /** Where something is stored: inode numbers are the store's. */
  Path stored(String path) throws IOException {
    long inode = find(path).status().inode();
    try (Stream<Path> all = Files.walk(directory)) {
      return all.filter(
              each -> {
                try {
                  Object found = Files.getAttribute(each, "unix:ino", LinkOption.NOFOLLOW_LINKS);
                  return found.equals(inode);
                } catch (IOException e) {
                  return false;
                }
              })
          .findFirst()
          .orElseThrow();
    }
  }

  @Override
  public void close() throws ErrnoException {
    files.close();
    store.close();
  }
}
