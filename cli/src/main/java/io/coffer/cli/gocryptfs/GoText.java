package io.coffer.cli.gocryptfs;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Texts as Go programs write them. */
final class GoText {
  private GoText() {}

  /** A word in double quotes, as {@code %q}. */
  static String quoted(String word) {
    StringBuilder text = new StringBuilder("\"");
    for (int i = 0; i < word.length(); i++) {
      char c = word.charAt(i);
      switch (c) {
        case '"' -> text.append("\\\"");
        case '\\' -> text.append("\\\\");
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        default -> {
          if (c < ' ' || c == 0x7f) {
            text.append(String.format(Locale.ROOT, "\\x%02x", (int) c));
          } else {
            text.append(c);
          }
        }
      }
    }
    return text.append('"').toString();
  }

  /** Quoted words with spaces between. */
  static String quoted(List<String> words) {
    return String.join(" ", words.stream().map(GoText::quoted).toList());
  }

  /** An error as os.PathError prints it: operation, path, reason. */
  static String pathError(String operation, Path path, IOException e) {
    return operation + " " + path + ": " + reason(e);
  }

  private static String reason(IOException e) {
    return switch (e) {
      case NoSuchFileException missing -> "no such file or directory";
      case AccessDeniedException denied -> "permission denied";
      case FileAlreadyExistsException exists -> "file exists";
      case FileSystemException f when f.getReason() != null ->
          f.getReason().toLowerCase(Locale.ROOT);
      default -> String.valueOf(e.getMessage());
    };
  }

  /** What isDir of gocryptfs says about a path, or null if it is a directory. */
  static @Nullable String notDirectory(Path path) {
    try {
      return Files.readAttributes(path, java.nio.file.attribute.BasicFileAttributes.class)
              .isDirectory()
          ? null
          : path + " is not a directory";
    } catch (IOException e) {
      return pathError("stat", path, e);
    }
  }

  /** What isEmptyDir of gocryptfs says, or null if it is an empty directory. */
  static @Nullable String notEmptyDirectory(Path path) {
    String problem = notDirectory(path);
    if (problem != null) {
      return problem;
    }
    try (var entries = Files.newDirectoryStream(path)) {
      return entries.iterator().hasNext() ? "directory " + path + " not empty" : null;
    } catch (IOException e) {
      return pathError("open", path, e);
    }
  }
}
