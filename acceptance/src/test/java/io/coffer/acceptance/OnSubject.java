package io.coffer.acceptance;

import io.coffer.posix.FileStatus;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/** A test class of POSIX behaviour: runs on each chosen {@link Subject}, in a new directory. */
@ParameterizedClass
@MethodSource("io.coffer.acceptance.Subject#chosen")
abstract class OnSubject {
  final Subject subject;

  /** The test's directory. */
  final Path path;

  /** Its path as {@link Person} takes it. */
  final String dir;

  /** Whoever runs the tests. */
  final Person me = Person.self();

  private final List<Person> people = new ArrayList<>(List.of(me));

  OnSubject(Subject subject) {
    this.subject = subject;
    path = subject.fresh();
    dir = Person.path(path);
  }

  @AfterEach
  void cleanUp() {
    people.forEach(Person::close);
    Command.of("rm", "-rf", path).run();
  }

  /** A path in the test's directory. */
  String at(String name) {
    return dir + "/" + name;
  }

  Person nobody() {
    return with(Person.nobody());
  }

  Person with(Person person) {
    people.add(person);
    return person;
  }

  static int permissions(FileStatus status) {
    return status.mode() & 07777;
  }

  static byte[] random(int bytes, long seed) {
    byte[] data = new byte[bytes];
    new Random(seed).nextBytes(data);
    return data;
  }

  static String name(int bytes) {
    return "n".repeat(bytes);
  }
}
