package io.coffer.cli;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What mount(8) calls for an entry of /etc/fstab: {@code mount.coffer DIR MOUNTPOINT [-sfnv] [-N
 * NAMESPACE] [-o OPTIONS] [-t TYPE]} (mount(8), "External helpers"), or by way of mount.fuse3
 * {@code coffer DIR MOUNTPOINT -o OPTIONS}.
 */
final class MountHelper {
  private MountHelper() {}

  /** Is it a call by way of mount.fuse3, which knows no commands? */
  static boolean isCalledByMountFuse(String[] args) {
    return args.length >= 3
        && args[0].startsWith("/")
        && args[1].startsWith("/")
        && List.of(args).contains("-o");
  }

  /** The same as arguments of {@code coffer}; null if nothing is to be done. */
  static String @Nullable [] toCommand(String[] args) {
    List<String> command = new ArrayList<>(List.of("mount"));
    List<String> positional = new ArrayList<>();
    for (int i = 0; i < args.length; i++) {
      switch (args[i]) {
        case "-o" -> {
          if (i + 1 < args.length) {
            command.add("-o");
            command.add(args[++i]);
          }
        }
        case "-N", "-t" -> i++;
        case "-f" -> {
          return null;
        }
        case "-s", "-n", "-v" -> {}
        default -> positional.add(args[i]);
      }
    }
    for (int i = 0; i < positional.size(); i++) {
      String word = positional.get(i);
      command.add(i == 0 && word.startsWith("coffer#") ? word.substring(7) : word);
    }
    return command.toArray(new String[0]);
  }
}
