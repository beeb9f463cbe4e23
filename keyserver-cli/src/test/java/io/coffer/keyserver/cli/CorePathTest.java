package io.coffer.keyserver.cli;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Commands that are not the key server's have a short class path (see the launcher): what they need
 * of the key service must do without the server's libraries.
 */
@DisplayName("The key service's client")
class CorePathTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter().importPackages("io.coffer", "picocli", "tools.jackson");

  @Test
  void needsNoneOfTheServersLibraries() {
    noClasses()
        .that()
        .areAssignableTo(VolumeKeys.class)
        .should()
        .transitivelyDependOnClassesThat(
            resideInAnyPackage("org.bouncycastle..", "io.helidon..", "org.sqlite.."))
        .check(CLASSES);
  }
}
