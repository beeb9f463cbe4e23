package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/**
 * What guides of computing centres tell their users to type for gocryptfs, typed here, first with
 * bin/gocryptfs (property {@code coffer.test.gocryptfs} may name another program, to try the tests
 * themselves), then with Coffer's own commands.
 */
@DisplayName("A computing centre's guide, step by step")
class SeedTranscriptsTest {
  private static final Pattern KEY =
      Pattern.compile("(([0-9a-f]{8}-){4})\\s+(([0-9a-f]{8}-){3}[0-9a-f]{8})");
  private static final String TEXT = "Happy secure computing\n";

  private final Area area = Area.inMemory();
  private Path crypt = area.path();
  private Path view = area.path();

  @BeforeEach
  void directories() {
    crypt = area.directory("dir.crypt");
    view = area.directory("dir");
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private static List<String> names(Path directory) {
    try (Stream<Path> all = Files.list(directory)) {
      return all.map(p -> p.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The one stored name that is no file of the volume itself. */
  private String storedName() {
    List<String> others = names(crypt).stream().filter(n -> !n.startsWith("gocryptfs.")).toList();
    assertEquals(1, others.size(), "stored files beside the volume's own: " + names(crypt));
    return others.getFirst();
  }

  private void unmount() {
    Command.of("fusermount", "-u", view).ok();
    assertEquals(List.of(), names(view), "the mount point after unmount");
  }

  private void writeMessage() throws IOException {
    Command.bash("echo 'Happy secure computing' > " + view + "/message.txt").ok();
    assertEquals(List.of("message.txt"), names(view), "ls of the view");
    String stored = storedName();
    assertTrue(
        stored.matches("[A-Za-z0-9_-]{22}"), "a stored name is 22 characters base64url: " + stored);
    assertEquals(23, Files.size(view.resolve("message.txt")), "plain size");
    assertEquals(73, Files.size(crypt.resolve(stored)), "stored size of 23 bytes");
  }

  private void readMessage() throws IOException {
    assertEquals(TEXT, Files.readString(view.resolve("message.txt")), "the message");
  }

  /** The permissions that ls -l shows for the view and for the store. */
  private void permissionsAre(String expected) {
    for (Path file : List.of(view.resolve("message.txt"), crypt.resolve(storedName()))) {
      assertEquals(
          expected, Command.of("stat", "-c", "%A", file).ok().out().trim(), "mode of " + file);
    }
  }

  private static String masterKey(String output) {
    Matcher key = KEY.matcher(output);
    assertTrue(key.find(), "a master key in two lines of four groups: " + output);
    return key.group(1) + key.group(3);
  }

  @Nested
  @DisplayName("with gocryptfs's command line")
  class Personality {
    private final String program =
        System.getProperty("coffer.test.gocryptfs", Reactor.gocryptfs().toString());

    private String init() {
      Outcome outcome =
          Terminal.of(program, "-init", "-scryptn", "10", crypt)
              .secret("Password: ", "foobar")
              .secret("Repeat: ", "foobar")
              .run()
              .ok();
      for (String line :
          List.of(
              "Choose a password for protecting your files.",
              "Your master key is:",
              "If the gocryptfs.conf file becomes corrupted or you ever forget your password,",
              "there is only one hope for recovery: The master key. Print it to a piece of",
              "paper and store it in a drawer. This message is only printed once.",
              "The gocryptfs filesystem has been created successfully.",
              "You can now mount it using: ")) {
        outcome.outHas(line);
      }
      assertEquals(
          List.of("gocryptfs.conf", "gocryptfs.diriv"), names(crypt), "ls of the new volume");
      return masterKey(outcome.out());
    }

    private void mountTyping(String password) {
      Outcome outcome = Terminal.of(program, crypt, view).secret("Password: ", password).run().ok();
      outcome.outHas("Decrypting master key").outHas("Filesystem mounted and ready.");
      assertTrue(Mounts.isMounted(view), "the view should be mounted when the command returns");
    }

    @Test
    void the_whole_transcript() throws IOException {
      final String key = init();
      mountTyping("foobar");
      assertEquals(List.of(), names(view), "a new volume is empty");
      writeMessage();
      unmount();
      storedName();
      Command.of(program, "-masterkey", key, crypt + "/", view)
          .ok()
          .outHas("Using explicit master key.")
          .outHas("Filesystem mounted and ready.");
      readMessage();
      permissionsAre("-rw-r--r--");
      Command.of("chmod", "o-r", view.resolve("message.txt")).ok();
      permissionsAre("-rw-r-----");
      unmount();
    }

    @Test
    void change_of_password_keeps_the_master_key() throws IOException {
      final String key = init();
      mountTyping("foobar");
      writeMessage();
      unmount();
      Terminal.of(program, "-passwd", "-scryptn", "10", crypt)
          .secret("Password: ", "foobar")
          .secret("Password: ", "barfoo")
          .secret("Repeat: ", "barfoo")
          .run()
          .ok()
          .outHas("Decrypting master key")
          .outHas("Please enter your new password.")
          .outHas("Password changed.");
      Command.of(program, "-extpass", "echo foobar", crypt, view).run().expectExit(12);
      mountTyping("barfoo");
      readMessage();
      unmount();
      Command.of(program, "-masterkey", key, crypt, view).ok();
      readMessage();
      unmount();
    }

    @Test
    void a_password_from_an_external_program() throws IOException {
      init();
      Command.of(program, "-extpass", "echo foobar", crypt, view)
          .ok()
          .outHas("Reading password from extpass program")
          .outHas("Decrypting master key")
          .outHas("Filesystem mounted and ready.");
      writeMessage();
      readMessage();
      unmount();
    }

    @Test
    void a_batch_job_hands_the_password_over_by_process_substitution() throws IOException {
      init();
      // The guide decodes with munge; base64 stands for it here.
      Outcome job =
          Command.bash(
                  """
                  TMPDIR=%s
                  mkdir $TMPDIR/data-plain
                  %s -passfile=<(echo "$GOCRYPTFSPASSWORD" | base64 -d) %s $TMPDIR/data-plain
                  echo "Happy secure computing" > $TMPDIR/data-plain/message.txt
                  cat $TMPDIR/data-plain/message.txt
                  fusermount -u $TMPDIR/data-plain
                  ls -A $TMPDIR/data-plain
                  """
                      .formatted(area.path(), program, crypt))
              .env("GOCRYPTFSPASSWORD", "Zm9vYmFyCg==")
              .ok();
      job.outHas("Filesystem mounted and ready.\n" + TEXT);
      assertTrue(job.out().endsWith(TEXT), "ls after unmount should be empty: " + job);
      storedName();
    }

    @Test
    void init_reads_the_password_twice_from_standard_input() throws IOException {
      Command.of(program, "-init", "-scryptn", "10", crypt)
          .stdin("foobar\nfoobar\n")
          .ok()
          .outHas("The gocryptfs filesystem has been created successfully.");
      Command.of(program, crypt, view).stdin("foobar\n").ok();
      writeMessage();
      unmount();
    }

    @Test
    void a_short_lived_mount_point_may_be_read_only_and_quiet() throws IOException {
      init();
      mountTyping("foobar");
      writeMessage();
      unmount();
      Outcome quiet = Command.of(program, "-q", "-ro", "-extpass", "echo foobar", crypt, view).ok();
      assertEquals("", quiet.out(), "-q should say nothing");
      readMessage();
      assertTrue(
          Command.of("touch", view.resolve("new")).run().err().contains("Read-only"),
          "a read-only view refuses writing");
      unmount();
    }
  }

  @Nested
  @DisplayName("with Coffer's own commands")
  class Own {
    private Path passwordFile() {
      return area.file("password", "foobar\n");
    }

    private String init() {
      Outcome outcome =
          Terminal.of(Reactor.coffer(), "init", "--scrypt-log-n", "10", crypt)
              .secret("assword", "foobar")
              .secret("epeat", "foobar")
              .run()
              .ok();
      assertEquals(
          List.of("gocryptfs.conf", "gocryptfs.diriv"), names(crypt), "ls of the new volume");
      return masterKey(outcome.out());
    }

    @Test
    void the_whole_transcript() throws IOException {
      final String key = init();
      Terminal.of(Reactor.coffer(), "mount", crypt, view).secret("assword", "foobar").run().ok();
      assertTrue(Mounts.isMounted(view), "the view should be mounted when the command returns");
      writeMessage();
      Command.coffer("unmount", view).ok();
      assertEquals(List.of(), names(view), "the mount point after unmount");
      Command.coffer("mount", "--master-key", key, crypt, view).ok();
      readMessage();
      permissionsAre("-rw-r--r--");
      Command.of("chmod", "o-r", view.resolve("message.txt")).ok();
      permissionsAre("-rw-r-----");
      Command.coffer("unmount", view).ok();
    }

    @Test
    void passwords_from_files_and_commands_and_their_change() throws IOException {
      init();
      Command.coffer("mount", "--password-file", passwordFile(), crypt, view).ok();
      writeMessage();
      Command.coffer("unmount", view).ok();
      Terminal.of(Reactor.coffer(), "passwd", "--scrypt-log-n", "10", crypt)
          .secret("assword", "foobar")
          .secret("assword", "barfoo")
          .secret("epeat", "barfoo")
          .run()
          .ok();
      Command.coffer("mount", "--password-file", passwordFile(), crypt, view).run().expectExit(12);
      Command.coffer("mount", "--password-command", "echo barfoo", crypt, view).ok();
      readMessage();
      Command.coffer("unmount", view).ok();
    }

    @Test
    void one_command_makes_and_mounts() throws IOException {
      Path fresh = area.path().resolve("fresh.crypt");
      Command.coffer("mount", "--init", "--password-file", passwordFile(), fresh, view).ok();
      Files.writeString(view.resolve("f"), "text");
      Command.coffer("unmount", view).ok();
      assertTrue(Files.exists(fresh.resolve("gocryptfs.conf")), "the volume was made");
      assertFalse(Files.exists(view.resolve("f")), "the view is gone");
    }
  }
}
