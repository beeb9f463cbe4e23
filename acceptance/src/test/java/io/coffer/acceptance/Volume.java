package io.coffer.acceptance;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * An encrypted directory and the place where it is shown. Whichever of the two programs made it,
 * either can show it.
 *
 * @param stored the ciphertext
 * @param view the mount point
 * @param password a file with the password
 */
record Volume(Path stored, Path view, Path password) {
  static final String PASSWORD = "correct horse battery staple";

  /** The program that makes or shows a volume. */
  enum Program {
    COFFER,
    PEER
  }

  /** Places for a volume in an area; nothing is made yet. */
  static Volume in(Area area, String name) {
    return new Volume(
        area.directory(name + ".stored"),
        area.directory(name + ".view"),
        area.file(name + ".password", PASSWORD + "\n"));
  }

  /**
   * Makes the volume. Options are gocryptfs's own words, translated for Coffer, so that one table
   * serves both; scrypt is cheap unless the options say otherwise.
   */
  Outcome init(Program program, String... options) {
    List<String> words = new ArrayList<>(Arrays.asList(options));
    if (!words.contains("-scryptn")) {
      words.addAll(List.of("-scryptn", "10"));
    }
    return switch (program) {
      case PEER -> Command.peer("-init", "-q", "-passfile", password, words, stored).ok();
      case COFFER ->
          Command.coffer("init", "--password-file", password, translated(words), stored).ok();
    };
  }

  /** Makes a volume with fscrypt policies, whose passphrase is cheap to try. */
  Outcome initFscrypt() {
    return Command.coffer(
            "init",
            "--format",
            "fscrypt",
            "--argon2-memory",
            "8",
            "--argon2-passes",
            "1",
            "--password-file",
            password,
            stored)
        .ok();
  }

  /** Shows a volume with policies, everything in it encrypted with a key that is no secret. */
  Mounted mountEncryptedForTests() {
    List<String> words = new ArrayList<>(List.of("--foreground", "--test-dummy-encryption"));
    if (Person.isRoot()) {
      words.addAll(List.of("--allow-other", "--acl"));
    }
    return Mounted.start(Command.coffer("mount", words, stored, view), view);
  }

  /** Options of gocryptfs in Coffer's own words. */
  static List<String> translated(List<String> options) {
    List<String> words = new ArrayList<>();
    for (String option : options) {
      switch (option) {
        case "-aessiv" -> words.addAll(List.of("--content-cipher", "aes-siv"));
        case "-xchacha" -> words.addAll(List.of("--content-cipher", "xchacha20-poly1305"));
        case "-plaintextnames" -> words.add("--plaintext-names");
        case "-deterministic-names" -> words.add("--deterministic-names");
        case "-longnamemax" -> words.add("--long-name-max");
        case "-scryptn" -> words.add("--scrypt-log-n");
        case "-reverse" -> words.add("--reverse");
        case "-ro" -> words.add("--read-only");
        case "-allow_other" -> words.add("--allow-other");
        case "-acl" -> words.add("--acl");
        default -> words.add(option);
      }
    }
    return words;
  }

  /** Shows the volume; the program stays in the foreground, so that its process is known. */
  Mounted mount(Program program, String... options) {
    List<String> words = List.of(options);
    Command command =
        switch (program) {
          case PEER -> Command.peer("-fg", "-q", "-passfile", password, words, stored, view);
          case COFFER ->
              Command.coffer(
                  "mount",
                  "--foreground",
                  "--password-file",
                  password,
                  translated(words),
                  stored,
                  view);
        };
    return Mounted.start(command, view);
  }

  /** Reads everything; exit code 0 means sound. */
  Outcome check(Program program) {
    return switch (program) {
      case PEER -> Command.peer("-fsck", "-passfile", password, stored).run();
      case COFFER -> Command.coffer("check", "--password-file", password, stored).run();
    };
  }
}
