package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.posix.Errno;
import io.coffer.posix.Flags;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Mounts by somebody without any privilege, through fusermount3. */
@DisplayName("An ordinary user")
class OrdinaryUserTest {
  private final Area area = Area.inMemory();
  private Path home = area.path();
  private Volume volume = new Volume(home, home, home);

  @BeforeEach
  void moveIn() {
    Tools.needRoot(); // to become somebody else
    Tools.need("setpriv", "fusermount3");
    home = area.directory("home");
    volume = new Volume(home.resolve("stored"), home.resolve("view"), home.resolve("password"));
    Command.of("chown", Person.NOBODY + ":" + Person.NOBODY, home).ok();
    Command.bash("mkdir " + volume.stored() + " " + volume.view()).asNobody().ok();
    Command.bash("echo secret > " + volume.password()).asNobody().ok();
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private Command coffer(Object... arguments) {
    return Command.coffer(arguments).asNobody().env("HOME", home).env("COFFER_BUILD", "never");
  }

  private void init() {
    coffer("init", "--scrypt-log-n", "10", "--password-file", volume.password(), volume.stored())
        .ok();
  }

  @Test
  void makes_mounts_uses_and_unmounts_a_volume() throws Exception {
    init();
    coffer("mount", "--password-file", volume.password(), volume.stored(), volume.view()).ok();
    try (Person nobody = Person.nobody();
        Person root = Person.self()) {
      String view = Person.path(volume.view());
      nobody.write(view + "/file", "mine");
      nobody.mkdir(view + "/directory", 0700);
      assertEquals("mine", nobody.read(view + "/file"), "contents");
      assertEquals(Person.NOBODY, nobody.stat(view + "/file").uid(), "owner");
      Expect.errno(
          Errno.EACCES,
          "even root looking into a user's own mount",
          () -> root.open(view, Flags.O_RDONLY));
      Expect.errno(
          Errno.EPERM, "chown by an ordinary user", () -> nobody.lchown(view + "/file", 0, -1));
    }
    coffer("unmount", volume.view()).ok();
    assertFalse(Mounts.isMounted(volume.view()), "the view should be gone");
    coffer("check", "--password-file", volume.password(), volume.stored()).ok();
  }

  @Test
  void follows_a_guide_for_gocryptfs_too() {
    Command.personality("-init", "-q", "-scryptn", "10", volume.stored())
        .asNobody()
        .env("HOME", home)
        .env("COFFER_BUILD", "never")
        .stdin("pw\n")
        .ok();
    Command.bash(
            "%s -q -extpass 'echo pw' %s %s && echo hello > %s/f && cat %s/f && fusermount -u %s"
                .formatted(
                    Reactor.gocryptfs(),
                    volume.stored(),
                    volume.view(),
                    volume.view(),
                    volume.view(),
                    volume.view()))
        .asNobody()
        .env("HOME", home)
        .env("COFFER_BUILD", "never")
        .ok()
        .outHas("hello");
  }

  @Test
  void gets_a_sentence_where_something_is_not_permitted() throws Exception {
    init();
    Command.of("chmod", "0", volume.stored().resolve("gocryptfs.conf")).ok();
    Outcome unreadable =
        coffer("mount", "--password-file", volume.password(), volume.stored(), volume.view())
            .run()
            .expectExit(23);
    unreadable.errHas("gocryptfs.conf");
    Command.of("chmod", "0400", volume.stored().resolve("gocryptfs.conf")).ok();
    Path foreign = area.directory("foreign");
    Outcome point =
        coffer("mount", "--password-file", volume.password(), volume.stored(), foreign).run();
    assertTrue(point.exit() != 0, "mounting on another user's directory: " + point);
    assertFalse(point.err().contains("Exception"), "a sentence, no exception: " + point);
    assertFalse(Mounts.isMounted(foreign), "nothing may be mounted");
    assertEquals(0L, Files.list(foreign).count(), "the foreign directory");
  }
}
