package io.coffer.acceptance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * Batch scripts for gocryptfs as computing centres teach them, run as printed, with {@code
 * bin/gocryptfs} first on the path. The commands munge and unmunge find the cluster's own munged,
 * which stands for the one of a real site, and {@code module} does nothing.
 */
final class SlurmGuides {
  private static final String TEXT = "Happy secure computing!";

  private final SlurmCluster cluster;
  private final Path home;
  private final String path;

  SlurmGuides(SlurmCluster cluster) {
    this.cluster = cluster;
    home = cluster.path("home");
    Path bin = cluster.path("bin");
    path = Reactor.gocryptfs().getParent() + ":" + bin + ":" + System.getenv("PATH");
    try {
      Files.createDirectories(home);
      Files.createDirectories(bin);
      for (String name : new String[] {"munge", "unmunge"}) {
        program(
            bin.resolve(name),
            "PATH=/usr/bin exec %s --socket=%s \"$@\""
                .formatted(name, cluster.path("munge/munge.sock")));
      }
      program(bin.resolve("module"), "exit 0");
      program(bin.resolve("mask-passwd"), "cat");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void program(Path file, String line) throws IOException {
    Files.writeString(file, "#!/bin/sh\n" + line + "\n");
    Command.of("chmod", "755", file).ok();
  }

  private Command user(Command command) {
    return cluster.in(command).in(home).env("PATH", path).env("TMPDIR", "/tmp");
  }

  private String bash(String script) {
    return user(Command.bash(script)).ok().out();
  }

  /** Submits a script on one node and waits for its end; what it has printed. */
  private String job(String name, String environment, String script) {
    try {
      Files.writeString(home.resolve(name + ".sh"), "#!/bin/bash\n" + script);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    String job =
        bash(environment
                + "\nsbatch --parsable --nodes=1 --ntasks=1 --output="
                + cluster.path("out.%j")
                + " "
                + name
                + ".sh")
            .strip();
    assertEquals("COMPLETED", cluster.awaitEnd(job), () -> cluster.output(job));
    assertTrue(
        Mounted.waitUntil(Duration.ofSeconds(30), () -> cluster.processes(job).isEmpty()),
        () -> "left of " + name + ": " + cluster.processes(job));
    return cluster.output(job);
  }

  /** The password in an environment variable, in MUNGE's form, and process substitution. */
  void passwordByMunge() {
    bash(
        """
        mkdir data-encrypted data-plain
        gocryptfs -init -scryptn 10 -extpass "echo foobar" data-encrypted
        gocryptfs -extpass "echo foobar" data-encrypted data-plain
        echo "%s" >data-plain/datafile.csv
        fusermount -u data-plain
        """
            .formatted(TEXT));
    String said =
        job(
            "munge",
            "export GOCRYPTFSPASSWORD=$(echo foobar | mask-passwd | munge -i /dev/stdin)",
            """
            module load gocryptfs
            mkdir $TMPDIR/data-plain
            gocryptfs -passfile=<(echo "$GOCRYPTFSPASSWORD" | unmunge -i /dev/stdin -m /dev/null) \\
            data-encrypted $TMPDIR/data-plain
            # do your work here
            cat $TMPDIR/data-plain/datafile.csv
            sed s/computing/results/ $TMPDIR/data-plain/datafile.csv >$TMPDIR/data-plain/results
            # Finally, unmount the decrypted filesystem
            fusermount -u $TMPDIR/data-plain
            echo "left: $(ls $TMPDIR/data-plain)."
            """);
    assertTrue(said.contains("Filesystem mounted and ready.\n" + TEXT), said);
    assertTrue(said.endsWith("left: .\n"), said);
    String results =
        bash(
            """
            gocryptfs -q -extpass "echo foobar" data-encrypted data-plain
            cat data-plain/results
            fusermount -u data-plain
            """);
    assertEquals("Happy secure results!\n", results);
  }

  /** The password by an external program. */
  void passwordByProgram() {
    bash("mkdir dir.crypt dir && gocryptfs -init -scryptn 10 -extpass 'echo foobar' dir.crypt");
    String said =
        job(
            "program",
            "",
            """
            module load tools/gocryptfs
            gocryptfs -extpass "echo foobar" dir.crypt dir
            echo "%1$s" > dir/message.txt
            cat dir/message.txt
            fusermount -u dir
            echo "left: $(ls dir)."
            gocryptfs -extpass "echo foobar" dir.crypt dir
            cat dir/message.txt
            fusermount -u dir
            """
                .formatted(TEXT));
    assertTrue(said.contains("Reading password from extpass program"), said);
    assertTrue(said.contains("left: ."), said);
    assertTrue(said.strip().endsWith(TEXT), said);
  }

  /** A script that unmounts by a trap; a later step of the same node sees the view. */
  void unmountedByTrap() {
    bash("mkdir cipher && gocryptfs -init -scryptn 10 -q -extpass 'printf %s top-secret' cipher");
    String said =
        job(
            "trap",
            "export CRYPT_PW=$(munge -u $(id -u) --ttl=3600 -s top-secret)",
            """
            M=$(mktemp -d "${TMPDIR:-/tmp}/plain.$SLURM_JOB_ID.XXXX")
            trap 'fusermount -u "$M" && rmdir "$M" && echo unmounted' EXIT
            printf %s "$CRYPT_PW" | unmunge -m /dev/null | gocryptfs -q cipher "$M" || exit 1
            echo "by batch" >"$M/batch"
            srun --overlap -n1 sh -c 'cat "$1/batch"; echo "by step" >"$1/step"' - "$M"
            cat "$M/step"
            """);
    assertEquals("by batch\nby step\nunmounted\n", said);
  }
}
