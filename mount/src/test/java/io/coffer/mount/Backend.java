package io.coffer.mount;

import io.coffer.posix.ErrnoException;
import io.coffer.vfs.VirtualFilesystem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What is mounted, and how a test gets at the store behind its back. */
interface Backend {
  VirtualFilesystem files();

  /** Where the store keeps a plain path. */
  Path stored(String plain) throws ErrnoException;

  /** Another node makes or overwrites a file in the root directory. */
  void writeElsewhere(String name, String text) throws IOException;

  /** Another node reads a file in the root directory. */
  String readElsewhere(String name) throws IOException;

  /** Does the store keep holes where the plain file has them? */
  boolean keepsHoles();

  /** After the filesystem. */
  void close() throws ErrnoException;

  /** A directory as it is. */
  static Backend direct(Path store) throws ErrnoException {
    var files = new DirectFilesystem(store);
    return new Backend() {
      @Override
      public VirtualFilesystem files() {
        return files;
      }

      @Override
      public Path stored(String plain) {
        return store.resolve(plain);
      }

      @Override
      public void writeElsewhere(String name, String text) throws IOException {
        Files.writeString(store.resolve(name), text, StandardCharsets.UTF_8);
      }

      @Override
      public String readElsewhere(String name) throws IOException {
        return Files.readString(store.resolve(name), StandardCharsets.UTF_8);
      }

      @Override
      public boolean keepsHoles() {
        return true;
      }

      @Override
      public void close() {}
    };
  }
}
