package io.coffer.cli;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The rooms use each other as the table in docs/design.md allows, and no more. */
@DisplayName("The rooms")
class ArchitectureTest {
  private static final Map<String, Set<String>> MAY_USE =
      Map.of(
          "posix", Set.of(),
          "crypto", Set.of(),
          "fuse", Set.of("posix"),
          "format", Set.of("crypto"),
          "store", Set.of("posix"),
          "keys", Set.of("crypto", "format", "posix"),
          "vfs", Set.of("crypto", "format", "store", "keys", "posix"),
          "tree", Set.of("vfs", "format", "store", "keys", "posix"),
          "mount", Set.of("vfs", "fuse", "store", "posix"),
          "batch", Set.of("mount", "fuse", "keys", "crypto", "posix"));

  private static final JavaClasses CLASSES = importAll();

  private static JavaClasses importAll() {
    return new ClassFileImporter()
        .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
        .importPackages("io.coffer");
  }

  @BeforeAll
  static void seesAllRooms() {
    Set<String> seen = new TreeSet<>();
    CLASSES.forEach(each -> seen.add(each.getPackageName().split("\\.", -1)[2]));
    assertTrue(seen.containsAll(MAY_USE.keySet()), () -> "only " + seen);
  }

  static Stream<String> rooms() {
    return MAY_USE.keySet().stream().sorted();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rooms")
  void useOnlyWhatTheyMay(String room) {
    Set<String> forbidden = new TreeSet<>(MAY_USE.keySet());
    forbidden.add("cli");
    forbidden.add("bench");
    forbidden.remove(room);
    forbidden.removeAll(MAY_USE.getOrDefault(room, Set.of()));
    String[] packages =
        forbidden.stream().map(name -> "io.coffer." + name + "..").toArray(String[]::new);
    noClasses()
        .that()
        .resideInAPackage("io.coffer." + room + "..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage(packages)
        .check(CLASSES);
  }

  @Test
  void ofFormatsAndCiphersDoNoInputOrOutput() {
    noClasses()
        .that()
        .resideInAnyPackage("io.coffer.format..", "io.coffer.crypto..")
        .and()
        // It reads the kernel's random numbers, as SecureRandom would.
        .doNotHaveFullyQualifiedName("io.coffer.crypto.RandomBytes")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("java.nio.file..", "java.nio.channels..", "java.net..")
        .orShould()
        .dependOnClassesThat()
        .haveNameMatching("java\\.io\\.(File|RandomAccess).*")
        .check(CLASSES);
  }

  @Test
  void otherThanPosixAndTheGatesToLibrariesCallNoNativeFunctions() {
    noClasses()
        .that()
        .resideOutsideOfPackages("io.coffer.posix..", "io.coffer.bench..")
        .and()
        .doNotHaveFullyQualifiedName("io.coffer.crypto.LibCrypto")
        .and()
        .doNotHaveFullyQualifiedName("io.coffer.crypto.LibArgon2")
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("java.lang.foreign.Linker")
        .check(CLASSES);
  }

  @Test
  void readTheCommandLineOnlyInCli() {
    noClasses()
        .that()
        .resideOutsideOfPackages("io.coffer.cli..", "io.coffer.bench..")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("picocli..")
        .check(CLASSES);
  }

  @Test
  void areThoseOfTheDesign() throws Exception {
    String design = Files.readString(Path.of("..", "docs", "design.md"));
    for (Map.Entry<String, Set<String>> room : MAY_USE.entrySet()) {
      String row =
          design
              .lines()
              .filter(line -> line.startsWith("| " + room.getKey() + " |"))
              .findFirst()
              .orElseThrow();
      Set<String> named = new TreeSet<>();
      for (String word : row.split("\\|", -1)[3].split("\\W+", -1)) {
        if (MAY_USE.containsKey(word)) {
          named.add(word);
        }
      }
      assertEquals(new TreeSet<>(room.getValue()), named, room.getKey());
    }
  }
}
