package io.coffer.mount;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.coffer.fuse.MountException;
import io.coffer.posix.Credentials;
import io.coffer.posix.Errno;
import io.coffer.posix.ErrnoException;
import io.coffer.posix.Flags;
import io.coffer.posix.Linux;
import io.coffer.posix.Processes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A view mounted for real and used by programs of several users, whatever is behind it. */
@Timeout(120)
abstract class ViewBehaviour {
  private static final int SOMEBODY = 61001;
  private static final int ELSE = 61002;
  private static final int TEAM = 61999;

  /** Set by the test itself, which knows how it wants the view. */
  @SuppressWarnings("NullAway.Init")
  private TestView v;

  @BeforeEach
  void requireRoot() {
    assumeTrue(
        Credentials.effectiveUid() == 0 && Files.isWritable(Path.of("/dev/fuse")),
        "SKIPPED: needs root and /dev/fuse");
  }

  /** What the tests mount. */
  abstract Backend open(Path store) throws IOException;

  private void mount(TestView.Options options) throws Exception {
    v = new TestView(this::open, options);
  }

  private void mount() throws Exception {
    mount(new TestView.Options());
  }

  @AfterEach
  void unmount() throws Exception {
    if (v != null) {
      v.close();
    }
  }

  private String stored(String name, String format) throws Exception {
    return v.sh("stat -c '" + format + "' '" + v.backend.stored(name) + "'");
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private int open(String name, int flags, int mode) throws ErrnoException {
    return Linux.open(Flags.AT_FDCWD, ascii(v.point.resolve(name).toString()), flags, mode);
  }

  @Nested
  class WhoMakesSomething {
    @Test
    void getsWhatTheUmaskLeaves() throws Exception {
      mount();
      v.sh("umask 027; : > f; mkdir d; mkfifo p; umask 0; : > open");
      assertEquals("640", stored("f", "%a"));
      assertEquals("750", stored("d", "%a"));
      assertEquals("640", stored("p", "%a"));
      assertEquals("666", stored("open", "%a"));
    }

    @Test
    void keepsItsOwnUmaskWhenItRunsInThisProcess() throws Exception {
      mount();
      int before = Processes.umask(027);
      try {
        Files.createFile(v.point.resolve("f"));
        assertEquals("640", stored("f", "%a"));
      } finally {
        assertEquals(027, Processes.umask(before));
      }
    }

    @Test
    void ownsIt() throws Exception {
      mount();
      v.shAs(SOMEBODY, "" + SOMEBODY, ": > f; mkdir d; ln -s x l; mkfifo p");
      for (String name : new String[] {"f", "d", "l", "p"}) {
        assertEquals(SOMEBODY + ":" + SOMEBODY, stored(name, "%u:%g"), name);
      }
    }

    @Test
    void isRootAgainWhenRootAsks() throws Exception {
      mount();
      for (int i = 0; i < 20; i++) {
        v.shAs(SOMEBODY, "" + SOMEBODY, ": > s" + i);
        v.sh(": > r" + i);
        assertEquals("0:0", stored("r" + i, "%u:%g"));
      }
    }

    @Test
    void hasTheRightsOfItsSupplementaryGroups() throws Exception {
      mount();
      v.sh("mkdir team; chgrp " + TEAM + " team; chmod 2770 team");
      v.shAs(SOMEBODY, SOMEBODY + "," + TEAM, "umask 022; : > team/f; mkdir team/d");
      assertEquals(SOMEBODY + ":" + TEAM, stored("team/f", "%u:%g"));
      assertEquals("2755 " + TEAM, stored("team/d", "%a %g"));
      assertThrows(AssertionError.class, () -> v.shAs(ELSE, "" + ELSE, ": > team/g"));
    }

    @Test
    void mayNotDoWhatTheModeForbids() throws Exception {
      mount();
      v.shAs(SOMEBODY, "" + SOMEBODY, "umask 077; echo private > f; mkdir d; : > d/g");
      v.shAs(ELSE, "" + ELSE, "! cat f 2>&-; ! ls d 2>&-; ! rm -rf d 2>&-; ! chmod 777 f 2>&-");
      assertEquals("600", stored("f", "%a"));
    }

    @Test
    void mayMakeThingsInADirectoryThatOnlyTheOwnerMaySee() throws Exception {
      mount();
      v.shAs(SOMEBODY, "" + SOMEBODY, "mkdir -m 0300 blind; : > blind/f; test -f blind/f");
      assertEquals(SOMEBODY + "", stored("blind/f", "%u"));
    }
  }

  @Nested
  class SetIdBits {
    @BeforeEach
    void mountWithSetUserId() throws Exception {
      var options = new TestView.Options();
      options.setUserId = true;
      mount(options);
      v.sh("echo program > p; chmod 6777 p");
    }

    @Test
    void goWhenSomebodyElseWrites() throws Exception {
      v.shAs(SOMEBODY, "" + SOMEBODY, "echo more >> p");
      assertEquals("777", stored("p", "%a"));
    }

    @Test
    void goWhenSomebodyElseTruncatesAtOpening() throws Exception {
      v.shAs(SOMEBODY, "" + SOMEBODY, ": > p");
      assertEquals("777", stored("p", "%a"));
      assertEquals("777 0", v.sh("stat -c '%a %s' p"));
    }

    @Test
    void goWhenSomebodyElseTruncates() throws Exception {
      v.shAs(SOMEBODY, "" + SOMEBODY, "truncate -s 3 p");
      assertEquals("777", stored("p", "%a"));
      assertEquals("777 3", v.sh("stat -c '%a %s' p"));
    }

    @Test
    void goWhenTheOwnerChanges() throws Exception {
      v.sh("chown " + SOMEBODY + " p");
      assertEquals("777", stored("p", "%a"));
    }

    @Test
    void stayWhenRootWrites() throws Exception {
      v.sh("echo more >> p");
      assertEquals("6777", stored("p", "%a"));
    }
  }

  @Nested
  class AccessControlLists {
    @BeforeEach
    void mountWithAcl() throws Exception {
      var options = new TestView.Options();
      options.acl = true;
      options.timeout = Duration.ofHours(1);
      mount(options);
    }

    @Test
    void letANamedUserIn() throws Exception {
      v.sh("echo text > f; chmod 600 f; setfacl -m u:" + SOMEBODY + ":r f");
      assertEquals("text", v.shAs(SOMEBODY, "" + SOMEBODY, "cat f"));
      v.shAs(ELSE, "" + ELSE, "! cat f 2>&-");
    }

    @Test
    void areInheritedAndThenTheUmaskDoesNotCount() throws Exception {
      v.sh("mkdir d; setfacl -d -m u::rwx,g::rwx,o::r,u:" + SOMEBODY + ":rwx d");
      v.sh("umask 077; : > d/f; mkdir d/e");
      assertEquals("664", stored("d/f", "%a"));
      String acl = v.sh("getfacl -n d/f d/e");
      assertTrue(acl.contains("user:" + SOMEBODY + ":rwx"), acl);
      assertTrue(acl.contains("default:user:" + SOMEBODY + ":rwx"), acl);
    }

    @Test
    void areAskedForOnce() throws Exception {
      v.sh("mkdir d; for i in 1 2 3 4 5 6 7 8 9; do : > d/$i; done; getfacl d/* >/dev/null");
      int before = v.watched.attributeReads.get();
      for (int i = 0; i < 5; i++) {
        v.sh("getfacl d/* >/dev/null");
      }
      assertEquals(before, v.watched.attributeReads.get());
      v.sh("setfacl -m u:" + SOMEBODY + ":r d/5");
      String acl = v.sh("getfacl -n d/5");
      assertTrue(acl.contains("user:" + SOMEBODY + ":r--"), acl);
      v.sh("chmod 600 d/5");
      acl = v.sh("getfacl -n d/5");
      assertTrue(acl.contains("mask::---"), acl);
    }

    @Test
    void areNoObstacleOnAStoreThatHasNone() throws Exception {
      v.sh("mkdir d; echo text > d/f; chmod 755 d; chmod 644 d/f");
      v.watched.withoutAttributes = true;
      assertEquals("text", v.shAs(SOMEBODY, "" + SOMEBODY, "cat d/f"));
      assertEquals("d/f", v.shAs(SOMEBODY, "" + SOMEBODY, "ls -l d/f >/dev/null; echo d/*"));
      v.shAs(SOMEBODY, "" + SOMEBODY, "! sh -c ': >d/f' 2>/dev/null");
    }

    @Test
    void leaveTheUmaskInForceWhereThereIsNoDefault() throws Exception {
      v.sh("umask 077; : > f");
      assertEquals("600", stored("f", "%a"));
    }
  }

  @Nested
  class Locks {
    private static final String HOLD =
        "use Fcntl; open(F,'+<',$ARGV[0]) or die; "
            + "$l=pack('s s l! l! i',F_WRLCK,0,0,10,0); fcntl(F,F_SETLK,$l) or exit 3; ";

    private Process holder(String script) throws IOException {
      Process process =
          new ProcessBuilder("perl", "-e", script, v.point.resolve("f").toString())
              .redirectErrorStream(true)
              .start();
      return process;
    }

    @Test
    void ofOneProcessAreSeenByAnotherAndEndWithIt() throws Exception {
      mount();
      v.sh(": > f");
      Process first = holder(HOLD + "$|=1; print \"held\\n\"; <STDIN>");
      assertEquals("held", first.inputReader().readLine());
      assertEquals(3, holder(HOLD).waitFor());
      first.destroyForcibly().waitFor();
      assertEquals(0, holder(HOLD).waitFor());
    }

    @Test
    void areWaitedFor() throws Exception {
      mount();
      v.sh(": > f");
      Process first = holder(HOLD + "$|=1; print \"held\\n\"; <STDIN>");
      assertEquals("held", first.inputReader().readLine());
      Process second = holder(HOLD.replace("F_SETLK,", "F_SETLKW,"));
      Thread.sleep(200);
      assertTrue(second.isAlive());
      first.outputWriter().close();
      assertEquals(0, second.waitFor());
    }

    @Test
    void ofFlockExcludeAndEndWithTheDescriptor() throws Exception {
      mount();
      v.sh(": > f; exec 8<f 9<f; flock -x 8; ! flock -n -s 9; exec 8<&-; flock -n -x 9");
    }

    @Test
    void ofFlockAreSharedAmongReaders() throws Exception {
      mount();
      v.sh(": > f; exec 7<f 8<f 9<f; flock -s 7; flock -n -s 8; ! flock -n -x 9");
    }
  }

  @Nested
  class Contents {
    @Test
    void ofAppendingProcessesDoNotOverwriteEachOther() throws Exception {
      mount();
      String append =
          "perl -e 'open(F,\">>\",\"f\"); for(1..400){syswrite(F, $ARGV[0] x 99 . \"\\n\")}' ";
      v.sh(append + "a & " + append + "b & wait");
      String text = v.sh("cat f") + "\n";
      assertEquals(800 * 100, text.length());
      assertEquals(400, text.lines().filter("a".repeat(99)::equals).count());
      assertEquals(400, text.lines().filter("b".repeat(99)::equals).count());
    }

    @Test
    void areMappedByAnotherProcess() throws Exception {
      mount();
      byte[] data = new byte[300_000];
      new Random(7).nextBytes(data);
      Files.write(v.point.resolve("f"), data);
      // A process of its own: a page fault here could wait for this very process.
      Process mapper =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xshare:auto",
                  "-cp",
                  System.getProperty("java.class.path"),
                  MapAndIncrement.class.getName(),
                  v.point.resolve("f").toString())
              .inheritIO()
              .start();
      assertEquals(0, mapper.waitFor());
      for (int i = 0; i < data.length; i++) {
        data[i]++;
      }
      assertArrayEquals(data, Files.readAllBytes(v.point.resolve("f")));
    }

    @Test
    void areAllocatedPunchedAndSearchedForHoles() throws Exception {
      mount();
      v.sh(
          "fallocate -l 100000 a; head -c 100000 /dev/urandom > f; fallocate -p -o 8192 -l 16384"
              + " f");
      assertEquals(100_000, Files.size(v.point.resolve("a")));
      assertEquals("0", v.sh("dd if=f bs=8192 skip=1 count=2 2>&- | tr -d '\\0' | wc -c"));
      int file = open("f", Flags.O_RDONLY, 0);
      try {
        if (v.backend.keepsHoles()) {
          assertEquals(8192, Linux.seek(file, 0, Flags.SEEK_HOLE));
          assertEquals(24576, Linux.seek(file, 8192, Flags.SEEK_DATA));
        }
        assertEquals(30_000, Linux.seek(file, 30_000, Flags.SEEK_DATA));
        var e =
            assertThrows(ErrnoException.class, () -> Linux.seek(file, 100_000, Flags.SEEK_DATA));
        assertEquals(Errno.ENXIO, e.errno());
      } finally {
        Linux.close(file);
      }
    }

    @Test
    void arePassedByWithODirect() throws Exception {
      mount();
      v.sh("head -c 1048576 /dev/urandom > f; dd if=f of=g bs=64k iflag=direct oflag=direct 2>&1");
      v.sh("cmp f g");
    }

    @Test
    void areCopiedByTheFilesystem() throws Exception {
      mount();
      v.sh("head -c 200000 /dev/urandom > f; cp f g; cmp f g");
    }

    @Test
    void ofAnUnnamedFileGetANameLater() throws Exception {
      mount();
      int file = open("", Flags.O_TMPFILE | Flags.O_RDWR, 0640);
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment text = arena.allocateFrom("later");
        assertEquals(5, Linux.write(file, text.address(), 5, 0));
        Linux.linkDescriptor(file, Flags.AT_FDCWD, ascii(v.point.resolve("named").toString()));
      } finally {
        Linux.close(file);
      }
      assertEquals("later", Files.readString(v.point.resolve("named")));
    }
  }

  @Nested
  class CachedContents {
    @Test
    void areUsedAgainByTheNextOpen() throws Exception {
      mount();
      v.sh("head -c 100000 /dev/urandom > f; cat f > ../first");
      int before = v.watched.reads.get();
      v.sh("cmp f ../first");
      assertEquals(before, v.watched.reads.get());
    }

    @Test
    void areNotUsedWhenTheStoreChangedMeanwhile() throws Exception {
      var options = new TestView.Options();
      options.timeout = Duration.ofSeconds(60);
      mount(options);
      v.sh("echo old > f; cat f");
      FileTime time = Files.getLastModifiedTime(v.backend.stored("f"));
      Thread.sleep(20);
      v.backend.writeElsewhere("f", "new\n");
      assertNotEquals(time, Files.getLastModifiedTime(v.backend.stored("f")));
      assertEquals("new", v.sh("cat f"));
    }

    @Test
    void areNotKeptAtAllWhereNotWanted() throws Exception {
      var options = new TestView.Options();
      options.keepCache = false;
      mount(options);
      v.sh("echo text > f; cat f");
      int before = v.watched.reads.get();
      v.sh("cat f");
      assertTrue(v.watched.reads.get() > before);
    }
  }

  @Nested
  class Names {
    @Test
    void areExchangedAndNotReplacedAgainstTheWill() throws Exception {
      mount();
      v.sh("echo a > a; echo b > b");
      byte[] a = ascii(v.point.resolve("a").toString());
      byte[] b = ascii(v.point.resolve("b").toString());
      Linux.rename(Flags.AT_FDCWD, a, Flags.AT_FDCWD, b, Flags.RENAME_EXCHANGE);
      assertEquals("b", v.sh("cat a"));
      var e =
          assertThrows(
              ErrnoException.class,
              () -> Linux.rename(Flags.AT_FDCWD, a, Flags.AT_FDCWD, b, Flags.RENAME_NOREPLACE));
      assertEquals(Errno.EEXIST, e.errno());
    }

    @Test
    void ofOneFileShareInodeAndContents() throws Exception {
      mount();
      v.sh("echo a > a; ln a b; echo more >> b; cmp a b");
      assertEquals("2", v.sh("stat -c %h a"));
      assertEquals(v.sh("stat -c %i a"), v.sh("stat -c %i b"));
    }

    @Test
    void areListedInThousandsAndRemoved() throws Exception {
      mount();
      v.sh("mkdir d; cd d; seq 10000 | xargs touch; test $(ls -U | wc -l) = 10000");
      assertEquals("10000", v.sh("ls -l d | grep -c ^-"));
      v.sh("rm -r d");
      assertEquals("", v.sh("ls"));
    }

    @Test
    void leaveAnOpenFileUsableWhenRemoved() throws Exception {
      mount();
      assertEquals("still", v.sh("echo still > f; exec 9<f; rm f; cat <&9"));
    }
  }

  @Nested
  class ExtendedAttributes {
    @Test
    void areSetListedReadAndRemoved() throws Exception {
      mount();
      v.sh("echo > f; setfattr -n user.colour -v blue f; setfattr -n user.shape -v round f");
      assertEquals("blue", v.sh("getfattr --only-values -n user.colour f"));
      assertEquals("2", v.sh("getfattr f | grep -c user"));
      v.sh("setfattr -x user.colour f; ! getfattr -n user.colour f 2>&-");
    }
  }

  @Nested
  class Ownership {
    @Test
    void isShownAsForced() throws Exception {
      var options = new TestView.Options();
      options.owner = new MountOptions.Owner(SOMEBODY, ELSE);
      mount(options);
      v.sh(": > f");
      assertEquals(SOMEBODY + ":" + ELSE, v.sh("stat -c %u:%g f"));
    }
  }

  @Nested
  class MountingAndUnmounting {
    @TempDir Path other;

    @Test
    void readOnlyRefusesEveryChange() throws Exception {
      var options = new TestView.Options();
      options.readOnly = true;
      mount(options);
      v.backend.writeElsewhere("f", "text");
      assertEquals("text", v.sh("cat f"));
      var e = assertThrows(FileSystemException.class, () -> Files.createFile(v.point.resolve("g")));
      assertEquals("Read-only file system", e.getReason());
    }

    private String refused(Path point) throws Exception {
      var files = new Watched(new DirectFilesystem(other));
      var options = TestView.mountOptions(point, new TestView.Options());
      var e =
          assertThrows(
              MountException.class,
              () -> MountedView.mount(files.files, TestView.NO_PATHS, options));
      assertTrue(files.isClosed());
      return String.valueOf(e.getMessage());
    }

    @Test
    void aMountPointMustExistBeADirectoryAndBeEmpty() throws Exception {
      Path missing = other.resolve("missing");
      assertEquals(
          "The mount point " + missing + " does not exist. Create it: mkdir " + missing,
          refused(missing));
      Path file = Files.createFile(other.resolve("file"));
      assertEquals("The mount point " + file + " is not a directory.", refused(file));
      String message = refused(other);
      assertTrue(message.contains("is not empty"), message);
    }

    @Test
    void aFullMountPointIsHiddenWhereThatIsWanted() throws Exception {
      Files.createFile(other.resolve("hidden"));
      var options = new TestView.Options();
      options.nonEmpty = true;
      Path store = Files.createDirectory(other.resolve("store"));
      var view =
          MountedView.mount(
              new DirectFilesystem(store),
              TestView.NO_PATHS,
              TestView.mountOptions(other, options));
      assertFalse(Files.exists(other.resolve("hidden")));
      assertTrue(view.unmount());
      assertTrue(Files.exists(other.resolve("hidden")));
    }

    @Test
    void othersAreLetInByOrdinaryUsersOnlyWhereTheAdministratorPermits() throws Exception {
      Path conf =
          Files.writeString(other.resolve("fuse.conf"), "# user_allow_other\nmount_max=5\n");
      assertThrows(MountException.class, () -> MountPointCheck.checkOthersAllowed(conf));
      Files.writeString(conf, "user_allow_other\n");
      MountPointCheck.checkOthersAllowed(conf);
    }

    @Test
    void anIdleViewGoesAndAnOpenFileKeepsIt() throws Exception {
      var options = new TestView.Options();
      options.idle = Duration.ofMillis(400);
      mount(options);
      try (var channel =
          FileChannel.open(
              v.point.resolve("f"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        Thread.sleep(1200);
        assertFalse(v.watched.isClosed());
        assertTrue(channel.isOpen());
      }
      v.view.awaitUnmount();
      assertTrue(v.watched.isClosed());
    }

    @Test
    void aViewThatSomebodyStandsInIsNotIdle() throws Exception {
      var options = new TestView.Options();
      options.idle = Duration.ofMillis(200);
      mount(options);
      Process inside = new ProcessBuilder("sleep", "60").directory(v.point.toFile()).start();
      Thread.sleep(1000);
      assertFalse(v.watched.isClosed());
      assertTrue(Files.readString(Path.of("/proc/self/mounts")).contains(v.point.toString()));
      inside.destroyForcibly().waitFor();
      v.view.awaitUnmount();
    }

    @Test
    void aBusyViewIsDetachedAndEndsWithItsLastFile() throws Exception {
      mount();
      Process reader =
          new ProcessBuilder("sh", "-c", "exec 9>f; echo open; read x; echo end >&9")
              .directory(v.point.toFile())
              .start();
      assertEquals("open", reader.inputReader().readLine());
      assertFalse(v.view.unmount());
      assertFalse(Files.exists(v.point.resolve("f")));
      reader.outputWriter().append('\n').flush();
      assertEquals(0, reader.waitFor());
      v.view.awaitUnmount();
      assertEquals("end\n", v.backend.readElsewhere("f"));
    }

    @Test
    void everyHandleIsReleased() throws Exception {
      mount();
      v.sh("for i in 1 2 3 4 5; do echo $i > f$i; cat f$i; ls; done; rm f1; exec 9<f2; rm f2");
      for (int i = 0; i < 100 && v.watched.openHandles.get() > 0; i++) {
        Thread.sleep(20);
      }
      assertEquals(0, v.watched.openHandles.get());
    }
  }
}
