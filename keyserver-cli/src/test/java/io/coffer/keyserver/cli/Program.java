package io.coffer.keyserver.cli;

import io.coffer.crypto.SecretBytes;
import io.coffer.keys.VolumeException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * Runs one command in a process of its own; {@code password FILE} prints the password that a node
 * has from the key service, as mounting asks for it.
 */
final class Program {
  private Program() {}

  public static void main(String[] args) throws VolumeException {
    if (args[0].equals("password")) {
      try (SecretBytes password = new VolumeKeys().password(Path.of(args[1]))) {
        password.read(text -> {
          System.out.println(new String(text, StandardCharsets.US_ASCII));
          return 0;
        });
      }
      return;
    }
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
