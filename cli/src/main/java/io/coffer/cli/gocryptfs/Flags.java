package io.coffer.cli.gocryptfs;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The parser of gocryptfs's command line. Long options may begin with one dash or two, options and
 * arguments may be mixed, {@code --} ends options, and the list behind {@code -o} is expanded as
 * mount(8) would write it. Error texts are those of the Go library (spf13/pflag) that gocryptfs
 * uses.
 */
final class Flags {
  /** Kinds of values. */
  enum Kind {
    /** Given alone it is true. */
    BOOLEAN,
    TEXT,
    /** May be given more than once. */
    TEXTS,
    INTEGER,
    /** 0 to 255. */
    BYTE,
    DURATION
  }

  /** The command line is wrong; the message is the parser's. */
  static final class FlagException extends Exception {
    private static final long serialVersionUID = 1L;

    FlagException(String message) {
      super(message);
    }
  }

  /** Somebody asked for the short help. */
  static final class HelpException extends Exception {
    private static final long serialVersionUID = 1L;
  }

  private final Map<String, Kind> kinds;
  private final Map<String, List<String>> values = new LinkedHashMap<>();
  private final List<String> positional = new ArrayList<>();

  Flags(Map<String, Kind> kinds) {
    this.kinds = kinds;
  }

  /**
   * Puts what {@code -o} lists in front, each with a dash (prefixOArgs in cli_args.go). Nothing is
   * done if {@code --} is among the arguments.
   */
  static List<String> expandMountOptions(List<String> arguments) throws FlagException {
    if (arguments.size() < 2 || arguments.contains("--")) {
      return arguments;
    }
    List<String> others = new ArrayList<>();
    List<String> listed = new ArrayList<>();
    for (int i = 0; i < arguments.size(); i++) {
      String argument = arguments.get(i);
      if (argument.equals("-o")) {
        if (i + 1 == arguments.size()) {
          throw new FlagException("The \"-o\" option requires an argument");
        }
        listed.addAll(Arrays.asList(arguments.get(++i).split(",", -1)));
      } else if (argument.startsWith("-o=")) {
        listed.addAll(Arrays.asList(argument.substring(3).split(",", -1)));
      } else {
        others.add(argument);
      }
    }
    List<String> expanded = new ArrayList<>();
    for (String option : listed) {
      if (option.equals("o") || option.equals("-o")) {
        throw new FlagException("You can't pass \"-o\" to \"-o\"");
      }
      if (!option.isEmpty()) {
        expanded.add("-" + option);
      }
    }
    expanded.addAll(others);
    return expanded;
  }

  /** Reads the arguments, after {@link #expandMountOptions}. */
  void parse(List<String> arguments) throws FlagException, HelpException {
    List<String> words = withTwoDashes(arguments);
    for (int i = 0; i < words.size(); i++) {
      String word = words.get(i);
      if (word.equals("--")) {
        positional.addAll(words.subList(i + 1, words.size()));
        return;
      }
      if (word.equals("-h") || word.equals("--help")) {
        throw new HelpException();
      }
      if (!word.startsWith("--")) {
        positional.add(word);
        continue;
      }
      int equals = word.indexOf('=');
      String name = word.substring(2, equals < 0 ? word.length() : equals);
      if (name.isEmpty() || name.startsWith("-")) {
        throw new FlagException("bad flag syntax: " + word);
      }
      Kind kind = kinds.get(name);
      if (kind == null) {
        throw new FlagException("unknown flag: --" + name);
      }
      if (equals >= 0) {
        set(name, kind, word.substring(equals + 1));
      } else if (kind == Kind.BOOLEAN) {
        set(name, kind, "true");
      } else if (i + 1 < words.size()) {
        set(name, kind, words.get(++i));
      } else {
        throw new FlagException("flag needs an argument: --" + name);
      }
    }
  }

  /** Each {@code -foo} before {@code --} becomes {@code --foo}; values of options too, alas. */
  private static List<String> withTwoDashes(List<String> arguments) {
    List<String> words = new ArrayList<>(arguments);
    for (int i = 0; i < words.size(); i++) {
      String word = words.get(i);
      if (word.equals("--")) {
        break;
      }
      if (word.length() >= 2
          && word.charAt(0) == '-'
          && word.charAt(1) != '-'
          && !word.equals("-h")) {
        words.set(i, "-" + word);
      }
    }
    return words;
  }

  private void set(String name, Kind kind, String value) throws FlagException {
    String problem = problem(kind, value);
    if (problem != null) {
      throw new FlagException(
          "invalid argument \"" + value + "\" for \"--" + name + "\" flag: " + problem);
    }
    List<String> all = values.computeIfAbsent(name, key -> new ArrayList<>());
    if (kind != Kind.TEXTS) {
      all.clear();
    }
    all.add(value);
  }

  private static @Nullable String problem(Kind kind, String value) {
    return switch (kind) {
      case TEXT, TEXTS -> null;
      case BOOLEAN ->
          parseBoolean(value) == null
              ? "strconv.ParseBool: parsing \"" + value + "\": invalid syntax"
              : null;
      case INTEGER -> numberProblem("ParseInt", value, Long.MIN_VALUE, Long.MAX_VALUE);
      case BYTE -> numberProblem("ParseUint", value, 0, 255);
      case DURATION -> durationProblem(value);
    };
  }

  private static @Nullable String numberProblem(
      String function, String value, long least, long most) {
    try {
      long number = Long.parseLong(value);
      return number < least || number > most
          ? "strconv." + function + ": parsing \"" + value + "\": value out of range"
          : null;
    } catch (NumberFormatException e) {
      return "strconv." + function + ": parsing \"" + value + "\": invalid syntax";
    }
  }

  private static @Nullable String durationProblem(String value) {
    try {
      GoDuration.parse(value);
      return null;
    } catch (IllegalArgumentException e) {
      return e.getMessage();
    }
  }

  /** Go's strconv.ParseBool; null if it is none. */
  static @Nullable Boolean parseBoolean(String value) {
    return switch (value) {
      case "1", "t", "T", "true", "TRUE", "True" -> true;
      case "0", "f", "F", "false", "FALSE", "False" -> false;
      default -> null;
    };
  }

  List<String> positional() {
    return positional;
  }

  /** Was it given at all, whatever the value? */
  boolean isGiven(String name) {
    return values.containsKey(name);
  }

  boolean isTrue(String name) {
    return isTrue(name, false);
  }

  boolean isTrue(String name, boolean otherwise) {
    String value = text(name);
    return value == null ? otherwise : Boolean.TRUE.equals(parseBoolean(value));
  }

  @Nullable String text(String name) {
    List<String> all = values.get(name);
    return all == null ? null : all.getLast();
  }

  List<String> texts(String name) {
    return values.getOrDefault(name, List.of());
  }

  long number(String name, long otherwise) {
    String value = text(name);
    return value == null ? otherwise : Long.parseLong(value);
  }
}
