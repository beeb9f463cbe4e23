package io.coffer.acceptance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Filesystems that the POSIX tests run on. A plain directory is the control: a test that fails
 * there is wrong. Property {@code coffer.test.subjects} chooses, for example {@code
 * plain,gocryptfs,coffer}; the default is the control and Coffer's two formats.
 */
enum Subject {
  PLAIN,
  GOCRYPTFS,
  COFFER,
  /** The same, mounted for many nodes (--shared). */
  SHARED,
  /**
   * The same with requests over io_uring (--io-uring), which the administrator has to switch on.
   */
  IO_URING,
  /** Coffer's volume with policies, everything in it encrypted (--test-dummy-encryption). */
  FSCRYPT;

  private static final Map<Subject, Shown> SHOWN = new EnumMap<>(Subject.class);
  private static final AtomicInteger COUNTER = new AtomicInteger();

  private record Shown(Area area, Path view, @Nullable Volume volume, @Nullable Mounted mounted) {}

  static Stream<Subject> chosen() {
    String names = System.getProperty("coffer.test.subjects", "plain,coffer,fscrypt");
    return Arrays.stream(names.split(",", -1)).map(s -> valueOf(s.trim().toUpperCase(Locale.ROOT)));
  }

  boolean isPlain() {
    return this == PLAIN;
  }

  /** A new, empty, world-accessible directory on this filesystem. */
  Path fresh() {
    Path directory = view().resolve("t" + COUNTER.incrementAndGet());
    try {
      Files.createDirectory(directory);
      Command.of("chmod", "0777", directory).ok();
      return directory;
    } catch (IOException e) {
      throw new UncheckedIOException(this + ": cannot make " + directory, e);
    }
  }

  /** The mounted view, or the plain directory; mounted again if its daemon died. */
  synchronized Path view() {
    synchronized (SHOWN) {
      Shown shown = SHOWN.get(this);
      if (shown != null && shown.mounted() != null && !shown.mounted().alive()) {
        System.err.println("The daemon of " + this + " died: " + shown.mounted().log());
        shown.mounted().close();
        SHOWN.remove(this);
        shown = null;
      }
      if (shown == null) {
        shown = show();
        SHOWN.put(this, shown);
        if (SHOWN.size() == 1) {
          Runtime.getRuntime().addShutdownHook(new Thread(Subject::closeAll));
        }
      }
      return shown.view();
    }
  }

  /** The ciphertext beneath the view; for a plain directory the directory itself. */
  Path stored() {
    Path view = view();
    synchronized (SHOWN) {
      Shown shown = SHOWN.get(this);
      return shown == null || shown.volume() == null ? view : shown.volume().stored();
    }
  }

  private Shown show() {
    Area area = Area.onDisk();
    if (this == PLAIN) {
      return new Shown(area, area.directory("plain"), null, null);
    }
    Volume volume = Volume.in(area, "posix");
    if (this == FSCRYPT) {
      return showFscrypt(area, volume);
    }
    Volume.Program program = this == GOCRYPTFS ? Volume.Program.PEER : Volume.Program.COFFER;
    volume.init(program);
    Command.of("chmod", "0755", volume.stored()).ok();
    List<String> options = new ArrayList<>();
    if (Person.isRoot()) {
      options.addAll(List.of("-allow_other", "-acl"));
    }
    if (this == SHARED) {
      options.add("--shared");
    } else if (this == IO_URING) {
      options.add("--io-uring");
    }
    Mounted mounted = volume.mount(program, options.toArray(String[]::new));
    return new Shown(area, volume.view(), volume, mounted);
  }

  private static Shown showFscrypt(Area area, Volume volume) {
    volume.initFscrypt();
    Command.of("chmod", "0755", volume.stored()).ok();
    Mounted mounted = volume.mountEncryptedForTests();
    return new Shown(area, volume.view(), volume, mounted);
  }

  private static void closeAll() {
    synchronized (SHOWN) {
      for (Shown shown : SHOWN.values()) {
        Mounted mounted = shown.mounted();
        if (mounted != null) {
          mounted.close();
        }
        shown.area().close();
      }
      SHOWN.clear();
    }
  }
}
