package io.coffer.keyserver.cli;

import java.util.List;

/** Runs one command in a process of its own. */
final class Program {
  private Program() {}

  public static void main(String[] args) {
    List<String> rest = List.of(args).subList(1, args.length);
    Object commands =
        switch (args[0]) {
          case "ca" -> new CaCommand();
          case "audit" -> new AuditCommand();
          default -> new KeyserverCommand();
        };
    System.exit(Commands.run(commands, rest, Console.standard()));
  }
}
