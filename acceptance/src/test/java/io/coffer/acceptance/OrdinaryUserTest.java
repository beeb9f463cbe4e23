package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Mounts by somebody without any privilege, through fusermount3; in a mount namespace of its own,
 * in which everybody may open /dev/fuse, as udev arranges it where that runs.
 */
@DisplayName("An ordinary user")
class OrdinaryUserTest {
  /** Runs "$2" as uid and gid "$1"; whatever is mounted at "$3" after it is taken away. */
  private static final String NAMESPACE =
      """
      mount -t tmpfs none /mnt && mknod /mnt/fuse c 10 229 && chmod 666 /mnt/fuse
      mount --bind /mnt/fuse /dev/fuse
      trap 'umount -l "$3" 2> /dev/null || true' EXIT
      setpriv --reuid "$1" --regid "$1" --clear-groups bash -eu -o pipefail -c "$2"
      """;

  private final Area area = Area.inMemory();
  private Path home = area.path();

  @BeforeEach
  void moveIn() {
    Tools.needRoot(); // to become somebody else
    Tools.need("setpriv", "fusermount3", "unshare");
    Command.coffer("--version").ok(); // builds, which an ordinary user may not
    assumeTrue(
        Command.of("test", "-r", Reactor.coffer()).asNobody().run().exit() == 0,
        "the tree under test lies where an ordinary user cannot read it");
    home = area.directory("home");
    Command.of("chown", Person.NOBODY + ":" + Person.NOBODY, home).ok();
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private Outcome session(String script) {
    String user = String.valueOf(Person.NOBODY);
    return Command.of("unshare", "--mount", "bash", "-e", "-c", NAMESPACE, "namespace", user)
        .and(
            "cd; PATH=%s:%s/bin:$PATH; mkdir stored view; echo secret > password; umask 022\n%s"
                .formatted(Reactor.root(), Reactor.root(), script),
            home.resolve("view"))
        .env("HOME", home)
        .env("COFFER_BUILD", "never")
        .run();
  }

  @Test
  void makes_mounts_uses_and_unmounts_a_volume() {
    Outcome outcome =
        session(
                """
                coffer init --scrypt-log-n 10 --password-file password stored
                coffer mount --password-file password stored view
                echo mine > view/file; mkdir -m 700 view/directory
                cat view/file
                stat -c '%u:%g %a' view/file view/directory
                chown 0 view/file 2>&1 || true
                grep -c " $PWD/view fuse.coffer" /proc/mounts
                coffer unmount view
                ls -A view
                coffer check --password-file password stored > /dev/null && echo sound
                """)
            .ok();
    assertEquals(
        """
        mine
        65534:65534 644
        65534:65534 700
        chown: changing ownership of 'view/file': Operation not permitted
        1
        sound
        """,
        outcome.out(),
        "what the session shows");
  }

  @Test
  void follows_a_guide_for_gocryptfs_too() {
    session(
            """
            echo pw | gocryptfs -init -q -scryptn 10 stored
            gocryptfs -q -extpass 'echo pw' stored view
            echo hello > view/f; cat view/f
            fusermount -u view; ls -A view
            """)
        .ok()
        .outHas("hello\n");
  }

  @Test
  void keeps_others_out_of_a_view_and_root_too() {
    session(
            """
            coffer init --scrypt-log-n 10 --password-file password stored
            coffer mount --password-file password stored view
            grep " $PWD/view " /proc/mounts | grep -v allow_other
            coffer unmount view
            """)
        .ok()
        .outHas("fuse.coffer");
  }

  @Test
  void gets_a_sentence_where_something_is_not_permitted() throws Exception {
    Path foreign = Files.createDirectory(area.path().resolve("foreign"));
    Outcome outcome =
        session(
                """
                coffer init --scrypt-log-n 10 --password-file password stored 2> /dev/null
                coffer mount --password-file password stored %s || echo "exit $?"
                chmod 0 stored/gocryptfs.conf
                coffer mount --password-file password stored view || echo "exit $?"
                """
                    .formatted(foreign))
            .ok();
    assertFalse(outcome.err().contains("Exception"), "sentences, no exceptions: " + outcome);
    outcome.outHas("exit 19\nexit 23\n").errHas("gocryptfs.conf").errHas(foreign.toString());
  }
}
