package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("Programs that people use, on a mount")
class RealProgramsTest {
  private static final Volume.Program PROGRAM =
      Boolean.getBoolean("coffer.test.peeronly") ? Volume.Program.PEER : Volume.Program.COFFER;

  private final Area area = Area.onDisk();
  private final Volume volume = Volume.in(area, "v");
  private Mounted mounted = first();

  private Mounted first() {
    volume.init(PROGRAM);
    return volume.mount(PROGRAM);
  }

  private void remount() {
    mounted.unmount();
    mounted = volume.mount(PROGRAM);
  }

  @AfterEach
  void cleanUp() {
    mounted.close();
    area.close();
  }

  private Outcome inView(String script) {
    return Command.bash(script)
        .in(volume.view())
        .env("HOME", area.path())
        .timeout(Duration.ofMinutes(5))
        .ok();
  }

  private void sound() {
    mounted.unmount();
    volume.check(PROGRAM).ok();
  }

  @Test
  void git_works_in_a_repository_of_its_own_and_a_clone() {
    Tools.need("git");
    inView(
        """
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org
        export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
        git init -q one && cd one
        for i in $(seq 60); do mkdir -p d$((i % 7)); seq $((i * 50)) > d$((i % 7))/f$i; done
        ln -s d1/f1 link; chmod +x d1/f1
        git add -A && git commit -qm first
        for i in $(seq 1 3 60); do echo changed >> d$((i % 7))/f$i; done
        git mv d2 moved && git commit -qam second
        git checkout -q -b other HEAD~1 && echo x > new && git add new && git commit -qm third
        git merge -q --no-edit master 2> /dev/null || git merge -q --no-edit main
        git gc -q && git fsck --full --strict
        cd .. && git clone -q one two && cd two && git fsck --full && git status --porcelain
        """);
    remount();
    Outcome after =
        inView(
            "git -C one fsck --full && git -C one status --porcelain && git -C two log --oneline"
                + " | wc -l");
    assertEquals("4", after.out().strip(), "commits in the clone, and a clean status");
    sound();
  }

  @ParameterizedTest
  @ValueSource(strings = {"WAL", "DELETE", "TRUNCATE", "PERSIST"})
  void sqlite_keeps_its_database_whole(String journal) {
    Tools.need("sqlite3");
    inView(
        """
        echo "PRAGMA journal_mode=%s; CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT);" \
          | sqlite3 db > /dev/null
        writer() {
          for i in $(seq 15); do
            echo ".timeout 60000
              BEGIN IMMEDIATE;
              INSERT INTO t(v) SELECT hex(randomblob(200)) FROM generate_series(1, 50);
              COMMIT;"
          done | sqlite3 db
        }
        writer & a=$!; writer & b=$!
        wait $a; wait $b
        """
            .formatted(journal));
    remount();
    Outcome check = inView("sqlite3 db 'PRAGMA integrity_check; SELECT count(*) FROM t;'");
    assertEquals("ok\n1500\n", check.out(), "integrity and rows of two writers");
    sound();
  }

  @Test
  void a_source_tree_comes_out_of_tar_as_it_went_in() throws Exception {
    Path tree = sourceTree();
    Map<String, String> expected = Trees.describe(tree);
    Command.bash("tar -C " + tree + " --format=posix -cf - . | tar -C " + volume.view() + " -xpf -")
        .timeout(Duration.ofMinutes(5))
        .ok();
    Trees.assertSame(expected, Trees.describe(volume.view()), "before the remount");
    remount();
    Trees.assertSame(expected, Trees.describe(volume.view()), "after the remount");
    sound();
  }

  /** The reactor's own sources and a random tree. */
  private Path sourceTree() throws Exception {
    Path tree = area.directory("tree");
    Command.bash(
            "cd "
                + Reactor.root()
                + " && find . -path '*/target' -prune -o -path ./.git -prune -o -type f -size -200k"
                + " -print0 | tar --null -cf - -T - | tar -C "
                + tree
                + " -xf -")
        .ok();
    Path random = area.directory("tree/random");
    Trees.fill(random, 5, 300, 255, false);
    return tree;
  }

  @Test
  void rsync_copies_everything_in_and_out() throws Exception {
    Tools.need("rsync");
    Path tree = area.directory("tree");
    Trees.fill(tree, 21, 250, 255, true);
    Path back = area.directory("back");
    Command.of("rsync", "-aHX", tree + "/", volume.view() + "/").ok();
    remount();
    Outcome again = Command.of("rsync", "-aHXin", tree + "/", volume.view() + "/").ok();
    assertEquals("", again.out(), "a second rsync should find nothing to do");
    Command.of("rsync", "-aHX", "--checksum", volume.view() + "/", back + "/").ok();
    Trees.assertSame(Trees.describe(tree), Trees.describe(back), "there and back");
    sound();
  }

  @Test
  void rsync_keeps_access_control_lists() throws Exception {
    Tools.needRoot();
    Tools.need("rsync", "setfacl", "getfacl");
    mounted.unmount();
    mounted = volume.mount(PROGRAM, "-acl");
    Path tree = area.directory("tree");
    Command.bash(
            "cd "
                + tree
                + " && mkdir d && echo x > d/f && setfacl -m u:1234:rw d/f"
                + " && setfacl -d -m g:4321:rx d")
        .ok();
    Path back = area.directory("back");
    Command.of("rsync", "-aHAX", tree + "/", volume.view() + "/").ok();
    Command.of("rsync", "-aHAX", volume.view() + "/", back + "/").ok();
    for (Path copy : new Path[] {volume.view(), back}) {
      assertEquals(
          Command.bash("cd " + tree + " && getfacl -nR .").ok().out(),
          Command.bash("cd " + copy + " && getfacl -nR .").ok().out(),
          "lists in " + copy);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "--rw=randwrite --bs=4k --ioengine=psync --numjobs=1",
        "--rw=randwrite --bsrange=512-70000 --bs_unaligned --ioengine=psync --numjobs=3",
        "--rw=randwrite --bs=4k --ioengine=mmap --numjobs=2",
        "--rw=write --bs=1m --ioengine=psync --numjobs=2",
        "--rw=randwrite --bs=4k --ioengine=psync --direct=1 --numjobs=2",
        "--rw=randwrite --bs=8k --ioengine=libaio --iodepth=16 --direct=1 --numjobs=1"
      })
  void fio_reads_back_what_it_wrote(String options) {
    Tools.need("fio");
    String size = Reactor.longRun() ? "256m" : "16m";
    Outcome fio =
        Command.bash(
                "fio --name=job --directory="
                    + volume.view()
                    + " --size="
                    + size
                    + " --verify=crc32c --verify_fatal=1 --do_verify=1 --fallocate=none"
                    + " --end_fsync=1 "
                    + options)
            .in(area.path())
            .timeout(Duration.ofMinutes(5))
            .run();
    fio.ok();
    assertTrue(!fio.all().contains("verify: bad"), "fio should find no wrong block: " + fio);
    sound();
  }

  @Test
  void parallel_copies_do_not_disturb_each_other() throws Exception {
    Path tree = area.directory("tree");
    Trees.fill(tree, 31, 120, 255, false);
    inView(
        "for i in 1 2 3 4; do cp -a "
            + tree
            + " c$i & p=\"${p:-} $!\"; done; for q in $p; do wait $q; done");
    remount();
    Map<String, String> expected = Trees.describe(tree);
    for (int i = 1; i <= 4; i++) {
      Trees.assertSame(expected, Trees.describe(volume.view().resolve("c" + i)), "copy " + i);
    }
    sound();
  }

  @Test
  void a_compiler_builds_and_its_program_runs() {
    Tools.need("gcc");
    Outcome run =
        inView(
            """
            for i in $(seq 15); do
              echo "int f$i(int x) { return x + $i; }" > f$i.c
            done
            (for i in $(seq 15); do echo "int f$i(int);"; done
             echo '#include <stdio.h>'
             echo 'int main(void) { int s = 0;'
             for i in $(seq 15); do echo "s = f$i(s);"; done
             echo 'printf("%d\\n", s); return 0; }') > main.c
            for f in *.c; do gcc -O -c $f & p="${p:-} $!"; done; for q in $p; do wait $q; done
            ar rcs libf.a f*.o && gcc main.o -L. -lf -o program && ./program
            """);
    assertEquals("120\n", run.out(), "what the built program prints");
    sound();
  }
}
