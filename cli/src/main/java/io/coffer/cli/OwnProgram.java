package io.coffer.cli;

import java.util.ArrayList;
import java.util.List;

/** How this program starts itself once more. */
final class OwnProgram {
  private OwnProgram() {}

  /** The command that does it, by the launcher if that started this process. */
  static List<String> command(String... arguments) {
    List<String> command = new ArrayList<>();
    String launcher = System.getProperty("coffer.launcher");
    if (launcher != null) {
      command.add(launcher);
    } else {
      command.addAll(
          List.of(
              System.getProperty("java.home") + "/bin/java",
              "--enable-native-access=ALL-UNNAMED",
              "-XX:+UseSerialGC",
              "-XX:-MaxFDLimit",
              "-cp",
              System.getProperty("java.class.path"),
              Main.class.getName()));
    }
    command.addAll(List.of(arguments));
    return command;
  }
}
