package io.coffer.cli.gocryptfs;

import io.coffer.cli.ExitCode;
import io.coffer.cli.gocryptfs.Flags.FlagException;
import io.coffer.cli.gocryptfs.Flags.HelpException;
import io.coffer.cli.gocryptfs.Flags.Kind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** gocryptfs's arguments: which flags there are, and which of them exclude each other. */
final class Arguments {
  private static final Map<String, Kind> KINDS = kinds();

  private final List<String> original;
  private final Flags flags;

  private Arguments(List<String> original, Flags flags) {
    this.original = original;
    this.flags = flags;
  }

  private static Map<String, Kind> kinds() {
    Map<String, Kind> kinds = new HashMap<>();
    for (String name :
        """
        acl aessiv allow_other d debug deterministic-names dev devrandom exec f fg forcedecode \
        fsck fusedebug hh hkdf info init kernel_cache longnames nodev noexec nofail nonempty \
        noprealloc nosuid nosyslog noxattr one-file-system passwd plaintextnames q quiet raw64 \
        reverse ro rw serialize_reads sharedstorage speed suid version wpanic xchacha zerokey\
        """
            .split(" ", -1)) {
      kinds.put(name, Kind.BOOLEAN);
    }
    for (String name :
        """
        config context cpuprofile ctlsock fido2 force_owner fsname ko masterkey memprofile o \
        openssl trace\
        """
            .split(" ", -1)) {
      kinds.put(name, Kind.TEXT);
    }
    for (String name :
        """
        badname e ew exclude exclude-from exclude-wildcard extpass fido2-assert-option passfile\
        """
            .split(" ", -1)) {
      kinds.put(name, Kind.TEXTS);
    }
    kinds.put("notifypid", Kind.INTEGER);
    kinds.put("scryptn", Kind.INTEGER);
    kinds.put("longnamemax", Kind.BYTE);
    kinds.put("i", Kind.DURATION);
    kinds.put("idle", Kind.DURATION);
    return Map.copyOf(kinds);
  }

  /** All flags that are understood. */
  static Map<String, Kind> known() {
    return KINDS;
  }

  /** Reads the command line and refuses what contradicts itself. */
  static Arguments parse(String[] args) throws EndException, HelpException {
    List<String> original = new ArrayList<>(List.of("gocryptfs"));
    original.addAll(Arrays.asList(args));
    Flags flags = new Flags(KINDS);
    List<String> expanded;
    try {
      expanded = Flags.expandMountOptions(Arrays.asList(args));
    } catch (FlagException e) {
      throw new EndException(ExitCode.USAGE, e.getMessage());
    }
    try {
      flags.parse(expanded);
    } catch (FlagException e) {
      throw new EndException(
          ExitCode.USAGE,
          "Invalid command line: "
              + GoText.quoted(original)
              + ": "
              + e.getMessage()
              + ". Try 'gocryptfs -help'.");
    }
    Arguments arguments = new Arguments(original, flags);
    arguments.check();
    return arguments;
  }

  private void check() throws EndException {
    String openssl = text("openssl");
    if (openssl != null && !openssl.equals("auto") && Flags.parseBoolean(openssl) == null) {
      throw usage(
          "Invalid \"-openssl\" setting: strconv.ParseBool: parsing "
              + GoText.quoted(openssl)
              + ": invalid syntax");
    }
    long longNameMax = longNameMax();
    if (longNameMax > 0 && (longNameMax < 62 || longNameMax > 255)) {
      throw usage("-longnamemax: value " + longNameMax + " is outside allowed range 62 ... 255");
    }
    Duration idle = idle();
    if (idle != null && idle.isNegative()) {
      throw usage("Idle timeout cannot be less than 0");
    }
    boolean extpass = !extpass().isEmpty();
    boolean passfile = !passfile().isEmpty();
    boolean fido2 = text("fido2") != null;
    if (extpass && passfile) {
      throw together("-extpass", "-passfile");
    }
    if (passfile && text("masterkey") != null) {
      throw together("-passfile", "-masterkey");
    }
    if (extpass && text("masterkey") != null && !is("init")) {
      throw together("-extpass", "-masterkey");
    }
    if (extpass && fido2) {
      throw together("-extpass", "-fido2");
    }
  }

  private static EndException usage(String text) {
    return new EndException(ExitCode.USAGE, text);
  }

  private static EndException together(String one, String other) {
    return usage("The options " + one + " and " + other + " cannot be used at the same time");
  }

  /** The whole command line, with the program's name first. */
  List<String> original() {
    return original;
  }

  List<String> positional() {
    return flags.positional();
  }

  boolean is(String name) {
    return flags.isTrue(name);
  }

  boolean is(String name, boolean otherwise) {
    return flags.isTrue(name, otherwise);
  }

  boolean isGiven(String name) {
    return flags.isGiven(name);
  }

  @Nullable String text(String name) {
    return flags.text(name);
  }

  List<String> texts(String name) {
    return flags.texts(name);
  }

  List<String> extpass() {
    return flags.texts("extpass");
  }

  List<String> passfile() {
    return flags.texts("passfile");
  }

  boolean foreground() {
    return is("fg") || is("f");
  }

  boolean quiet() {
    return is("q") || is("quiet");
  }

  boolean debug() {
    return is("d") || is("debug");
  }

  /** 0 if it was not given. */
  long longNameMax() {
    return flags.number("longnamemax", 0);
  }

  long number(String name, long otherwise) {
    return flags.number(name, otherwise);
  }

  @Nullable Duration idle() {
    String text = flags.text("idle") == null ? flags.text("i") : flags.text("idle");
    return text == null ? null : GoDuration.parse(text);
  }

  /** How many of the flags that name an action are set. */
  int actions() {
    int count = 0;
    for (String action : List.of("info", "init", "passwd", "fsck")) {
      count += is(action) ? 1 : 0;
    }
    return count;
  }
}
