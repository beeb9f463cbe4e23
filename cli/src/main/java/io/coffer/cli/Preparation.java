package io.coffer.cli;

import io.coffer.crypto.Aead;
import io.coffer.crypto.ContentCiphers;
import io.coffer.crypto.Hkdf;
import io.coffer.crypto.Scrypt;
import io.coffer.crypto.SecretBytes;
import io.coffer.posix.Processes;
import java.util.Set;

/**
 * What every command needs that asks for a password: the gates to the kernel and to libcrypto. In a
 * virtual machine that has just started they take a tenth of a second to load, about as long as the
 * command line does; so they are loaded in a thread of its own meanwhile. Nothing depends on it:
 * what is not there yet is loaded, or waited for, by whoever needs it.
 */
final class Preparation {
  private static final Set<String> COMMANDS = Set.of("init", "mount", "passwd", "unlock");

  private Preparation() {}

  /** Starts it if the command is one that asks for a password; returns at once. */
  static void start(String[] args) {
    if (args.length == 0 || !COMMANDS.contains(args[0])) {
      return;
    }
    Thread thread = new Thread(Preparation::run, "preparation");
    thread.setDaemon(true);
    thread.start();
  }

  /** Unwraps a key that does not matter, at no cost. */
  static void run() {
    Processes.id();
    byte[] nothing = new byte[64];
    try (SecretBytes password = SecretBytes.take(new byte[1]);
        SecretBytes hash = Scrypt.hash(password, nothing, 2, 1, 1, 32);
        Aead cipher =
            hash.read(
                key -> ContentCiphers.aesGcm(Hkdf.SHA256.derive(key, nothing, nothing, 32), 16))) {
      cipher.open(nothing, nothing, 0, nothing.length, new byte[nothing.length], 0);
    }
  }
}
