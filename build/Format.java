import com.google.googlejavaformat.java.Formatter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks ("check ROOT") or rewrites ("write ROOT") the layout of every Java source below a root.
 */
public final class Format {
  public static void main(String[] args) throws Exception {
    boolean write = args[0].equals("write");
    Path root = Path.of(args[1]);
    List<Path> wrong = new ArrayList<>();
    List<Path> sources;
    try (var walk = Files.walk(root)) {
      sources =
          walk.filter(p -> p.toString().endsWith(".java"))
              .filter(p -> !root.relativize(p).toString().matches("(.*/)?(target|\\..*)/.*"))
              .toList();
    }
    for (Path source : sources) {
      String text = Files.readString(source);
      String formatted = new Formatter().formatSourceAndFixImports(text);
      if (!formatted.equals(text)) {
        wrong.add(source);
        if (write) {
          Files.writeString(source, formatted);
        }
      }
    }
    if (!write && !wrong.isEmpty()) {
      wrong.forEach(p -> System.err.println("not formatted: " + root.relativize(p)));
      System.err.println("Run: mvn -N -Pformat process-sources");
      System.exit(1);
    }
  }
}
