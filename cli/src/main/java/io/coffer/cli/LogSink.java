package io.coffer.cli;

import io.coffer.posix.SystemLog;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.text.MessageFormat;
import java.util.Locale;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;

/**
 * Where log lines go: to standard error, and from the moment a mounted view is in the background to
 * the log of the system. Found by {@link java.util.ServiceLoader}.
 */
public final class LogSink extends System.LoggerFinder {
  private static final Level LEAST =
      System.getenv("COFFER_DEBUG") == null ? Level.INFO : Level.DEBUG;

  private static volatile Target target = LogSink::toStandardError;

  /** For {@link java.util.ServiceLoader}. */
  public LogSink() {}

  /** Takes a finished line. */
  private interface Target {
    void write(Level level, String line);
  }

  @Override
  public Logger getLogger(String name, Module module) {
    return new LineLogger(name, name.startsWith("io.coffer.") ? LEAST : Level.WARNING);
  }

  /** Sends all further lines to the log of the system. */
  public static void useSystemLog(String identity) {
    SystemLog log = new SystemLog(identity);
    target = (level, line) -> log.write(priority(level), line);
  }

  /** Lines on standard error are given as they are, as gocryptfs does. */
  public static void usePlainLines() {
    target = (level, line) -> System.err.println(line);
  }

  private static void toStandardError(Level level, String line) {
    String word =
        switch (level) {
          case ERROR -> "error: ";
          case WARNING -> "warning: ";
          default -> "";
        };
    System.err.println("coffer: " + word + line);
  }

  private static int priority(Level level) {
    return switch (level) {
      case ERROR -> SystemLog.ERROR;
      case WARNING -> SystemLog.WARNING;
      case INFO -> SystemLog.INFO;
      default -> SystemLog.DEBUG;
    };
  }

  private record LineLogger(String name, Level least) implements Logger {
    @Override
    public String getName() {
      return name;
    }

    @Override
    public boolean isLoggable(Level level) {
      return level != Level.OFF && level.getSeverity() >= least.getSeverity();
    }

    @Override
    public void log(
        Level level,
        @Nullable ResourceBundle bundle,
        @Nullable String message,
        @Nullable Throwable thrown) {
      if (!isLoggable(level)) {
        return;
      }
      StringBuilder line = new StringBuilder(String.valueOf(message));
      String joint = ": ";
      for (Throwable t = thrown; t != null; t = t.getCause()) {
        line.append(joint).append(t);
        joint = ", because of ";
        StackTraceElement[] trace = t.getStackTrace();
        for (int i = 0; i < Math.min(trace.length, 8); i++) {
          line.append(i == 0 ? " at " : " < ").append(trace[i]);
        }
      }
      target.write(level, line.toString());
    }

    @Override
    public void log(
        Level level,
        @Nullable ResourceBundle bundle,
        @Nullable String format,
        @Nullable Object @Nullable ... parameters) {
      if (!isLoggable(level)) {
        return;
      }
      String text = String.valueOf(format);
      target.write(
          level,
          parameters == null || parameters.length == 0
              ? text
              : new MessageFormat(text, Locale.ROOT).format(parameters));
    }
  }
}
