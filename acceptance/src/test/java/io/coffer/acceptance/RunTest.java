package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** {@code coffer run}: a view that one command sees and that ends with it, however it ends. */
@DisplayName("A command with a view of its own")
class RunTest {
  private static final String VOLUME =
      """
      cd %s; export TMPDIR=$PWD/tmp PATH=%s:$PATH; mkdir -p tmp
      """;

  private final Area area = Area.onDisk();

  @BeforeEach
  void make() {
    Tools.needRoot();
    Tools.need("unshare", "setpriv");
    area.directory("stored");
    area.file("password", "secret\n");
    Command.coffer(
            "init",
            "--scrypt-log-n",
            "10",
            "--password-file",
            area.path().resolve("password"),
            area.path().resolve("stored"))
        .ok();
  }

  @AfterEach
  void cleanUp() {
    area.close();
  }

  private Outcome script(String text) {
    String prepare = VOLUME.formatted(area.path(), Reactor.root());
    return Command.bash(prepare + "open='--volume stored --password-file password'\n" + text).run();
  }

  @Test
  void seesClearDataWhereOthersSeeNothingAndLeavesNothing() throws Exception {
    Outcome outcome =
        script(
                """
                coffer run $open -- sh -c '
                  echo "$COFFER_VIEW" > where; echo content > $COFFER_VIEW/file
                  grep -c " $COFFER_VIEW fuse.coffer" /proc/self/mounts
                  nsenter -t $PPID -m grep -c " $COFFER_VIEW fuse.coffer" /proc/self/mounts || true
                  nsenter -t $PPID -m ls -A "$COFFER_VIEW"'
                coffer run $open --read-only --chdir -- sh -c 'cat file; touch new 2>&1 || true'
                ls -A tmp
                mkdir here
                coffer run $open --at here cat here/file
                ls -A here
                """)
            .ok();
    assertEquals(
        """
        1
        0
        content
        touch: cannot touch 'new': Read-only file system
        content
        """,
        outcome.out(),
        outcome::toString);
    assertFalse(
        Files.readString(Path.of("/proc/mounts")).contains(area.path().toString()),
        "a mount was left");
  }

  @Test
  void endsWithItsExitCodeOrSignal() {
    Outcome outcome =
        script(
                """
                try() { coffer run $open -- "$@" || echo "$?"; }
                try sh -c 'exit 7'
                try sh -c 'kill -TERM $$'
                try sh -c 'kill -KILL $$'
                try no-such-program
                try ./stored
                coffer run --password-file /nowhere --volume stored true || echo "$?"
                coffer run $open --at /nowhere true || echo "$?"
                """)
            .ok();
    assertEquals("7\n143\n137\n127\n126\n9\n10\n", outcome.out(), outcome::toString);
  }

  @Test
  void hasTheCallersEnvironmentWordsDescriptorsAndSignals() {
    Outcome outcome =
        script(
                """
                export JAVA_TOOL_OPTIONS=-Dmine ODD=$(printf 'a\\377b'); unset COFFER_BUILD
                coffer run $open -- bash -c '
                  echo "$JAVA_TOOL_OPTIONS ${COFFER_BUILD-none} $# $1"
                  printf %s "$ODD$2" | od -An -tx1; cat <&7; [ $(ulimit -Sn) = "$3" ] && echo limit
                  grep SigBlk /proc/self/status
                  trap "echo told; exit 42" USR1; kill -USR1 $PPID
                  for i in $(seq 100); do sleep 0.1; done' \\
                  name '@x y' "$(printf '\\376')" "$(ulimit -Sn)" 7<<< 'descriptor seven' \\
                  || echo "$?"
                """)
            .ok();
    assertEquals(
        """
        -Dmine none 3 @x y
         61 ff 62 fe
        descriptor seven
        limit
        SigBlk:	0000000000000000
        told
        42
        """,
        outcome.out(),
        outcome::toString);
  }

  @Test
  void isAtTheTerminalThatAskedForThePassword() {
    Terminal.of(
            Reactor.coffer(),
            "run",
            "--volume",
            area.path().resolve("stored"),
            "--",
            "bash",
            "-c",
            "read -r -p 'Your turn: ' line; test -t 0 && echo \"got $line\"; exit 3")
        .answer("Password: ", "secret")
        .answer("Your turn: ", "words")
        .run()
        .expectExit(3)
        .outHas("got words");
  }

  @Nested
  @DisplayName("dies with the process that serves its view")
  class Death {
    @Test
    void andTheOtherWayRound() {
      Outcome outcome =
          script(
                  """
                  coffer run $open -- sh -c 'echo $$ > pid
                    echo held > $COFFER_VIEW/held; echo $COFFER_VIEW > where; exec sleep 60' & server=$!
                  while [ ! -s where ]; do sleep 0.1; done
                  kill -9 $server; wait $server || echo "$?"
                  for i in $(seq 100); do [ -d /proc/$(cat pid) ] || break; sleep 0.1; done
                  [ -d /proc/$(cat pid) ] || echo gone
                  for i in $(seq 100); do [ -e "$(cat where)" ] || break; sleep 0.1; done
                  ls -A tmp
                  coffer run $open --chdir cat held
                  """)
              .ok();
      assertEquals("137\ngone\nheld\n", outcome.out(), outcome::toString);
    }
  }

  @Nested
  @DisplayName("of an ordinary user")
  class OfAnOrdinaryUser {
    /** Everybody may open /dev/fuse, as udev arranges it where that runs. */
    private static final String NAMESPACE =
        """
        mount -t tmpfs none /mnt && mknod /mnt/fuse c 10 229 && chmod 666 /mnt/fuse
        [ "$3" = closed ] || mount --bind /mnt/fuse /dev/fuse
        setpriv --reuid "$1" --regid "$1" --clear-groups bash -eu -o pipefail -c "$2"
        """;

    private Outcome session(String device, String script) {
      assumeTrue(
          Command.of("test", "-r", Reactor.coffer()).asNobody().run().exit() == 0,
          "the tree under test lies where an ordinary user cannot read it");
      Command.of("chown", "-R", Person.NOBODY + ":" + Person.NOBODY, area.path()).ok();
      String prepare = VOLUME.formatted(area.path(), Reactor.root());
      return Command.of("unshare", "--mount", "bash", "-e", "-c", NAMESPACE, "namespace")
          .and(
              Person.NOBODY,
              prepare + "open='--volume stored --password-file password'\n" + script,
              device)
          .env("HOME", area.path())
          .env("COFFER_BUILD", "never")
          .run();
    }

    @Test
    void isConfinedByAUserNamespaceWithoutRights() {
      assumeTrue(
          Command.of("unshare", "--map-current-user", "--mount", "--keep-caps", "true")
                  .asNobody()
                  .run()
                  .exit()
              == 0,
          "user namespaces are not allowed here");
      Outcome outcome =
          session(
                  "open",
                  """
                  coffer run $open -- sh -c 'id -u; echo mine > $COFFER_VIEW/file; cat $COFFER_VIEW/file
                    stat -c %u $COFFER_VIEW/file; grep CapEff /proc/self/status
                    grep -c " $COFFER_VIEW " /proc/$PPID/mounts || true'
                  ls -A tmp
                  """)
              .ok();
      assertEquals(
          "65534\nmine\n65534\nCapEff:\t0000000000000000\n0\n", outcome.out(), outcome::toString);
    }

    @Test
    void isServedByFusermountElsewhereAndLeavesNothingEvenIfKilled() {
      Outcome outcome =
          session(
                  "open",
                  """
                  # Who goes on writing leaves nothing beneath the view.
                  echo 'for i in $(seq 3000); do echo clear >$COFFER_VIEW/$i; done' > writer
                  coffer run --no-namespace $open -- sh -c 'echo mine > $COFFER_VIEW/file
                    cat $COFFER_VIEW/file
                    setsid sh writer 2>/dev/null &
                    while [ ! -e $COFFER_VIEW/9 ]; do sleep 0.01; done
                    kill -9 $PPID; sleep 60' || echo "$?"
                  for i in $(seq 100); do [ -n "$(ls -A tmp)" ] || break; sleep 0.1; done
                  ls -A tmp; grep -c "$PWD" /proc/mounts || true
                  """)
              .ok();
      assertEquals("mine\n137\n0\n", outcome.out(), outcome::toString);
    }

    @Test
    void getsAClearSentenceWhereBothAreForbidden() {
      Outcome outcome =
          session(
                  "closed",
                  """
                  mkdir forbid; printf '#!/bin/sh\\necho unshare: forbidden here >&2; exit 1\\n' \\
                    > forbid/unshare; chmod +x forbid/unshare; PATH=$PWD/forbid:$PATH
                  coffer run $open true || echo "$?"
                  ls -A tmp
                  """)
              .ok();
      // Root's /dev/fuse may be open for all already, and then it simply works.
      assumeTrue(!outcome.out().isEmpty(), "/dev/fuse is open to everybody");
      assertEquals("19\n", outcome.out(), outcome::toString);
      outcome.errHas("no view can be mounted here").errHas("unshare: forbidden here");
    }
  }
}
