import java.io.IOException;
import java.io.OutputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassModel;
import java.lang.classfile.ClassTransform;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Collections;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Gives classes in the jars of a directory that were compiled for Java 5 a newer format, in place.
 * Java's ahead-of-time cache leaves classes older than version 50 out, since their verification
 * cannot be remembered; the command-line parser's are so old, and loading them took a third of a
 * command. What the classes do stays the same.
 */
final class RaiseClassVersion {
  private static final int OLDEST_THAT_CACHES = ClassFile.JAVA_6_VERSION;
  private static final int RAISED = ClassFile.JAVA_8_VERSION;

  private RaiseClassVersion() {}

  public static void main(String[] arguments) throws IOException {
    try (DirectoryStream<Path> jars = Files.newDirectoryStream(Path.of(arguments[0]), "*.jar")) {
      for (Path jar : jars) {
        if (isOld(jar)) {
          raise(jar);
        }
      }
    }
  }

  private static boolean isOld(Path jar) throws IOException {
    try (ZipFile in = new ZipFile(jar.toFile())) {
      for (ZipEntry entry : Collections.list(in.entries())) {
        if (isClass(entry) && isOld(in.getInputStream(entry).readNBytes(8))) {
          return true;
        }
      }
      return false;
    }
  }

  private static boolean isClass(ZipEntry entry) {
    return entry.getName().endsWith(".class");
  }

  /** The major version is the fourth number of 16 bits. */
  private static boolean isOld(byte[] classFile) {
    return ((classFile[6] & 0xff) << 8 | (classFile[7] & 0xff)) < OLDEST_THAT_CACHES;
  }

  private static void raise(Path jar) throws IOException {
    Path fresh = jar.resolveSibling(jar.getFileName() + ".new");
    try (ZipFile in = new ZipFile(jar.toFile());
        OutputStream file = Files.newOutputStream(fresh);
        ZipOutputStream out = new ZipOutputStream(file);
        URLClassLoader classes = new URLClassLoader(new URL[] {jar.toUri().toURL()})) {
      ClassFile format =
          ClassFile.of(
              StackMapsOption.GENERATE_STACK_MAPS,
              ClassHierarchyResolverOption.of(
                  ClassHierarchyResolver.ofResourceParsing(classes)
                      .orElse(ClassHierarchyResolver.defaultResolver())));
      for (ZipEntry entry : Collections.list(in.entries())) {
        byte[] bytes = in.getInputStream(entry).readAllBytes();
        if (isClass(entry) && isOld(bytes)) {
          bytes = raise(format, format.parse(bytes));
        }
        ZipEntry copy = new ZipEntry(entry.getName());
        copy.setTime(entry.getTime());
        out.putNextEntry(copy);
        out.write(bytes);
      }
    }
    Files.move(fresh, jar, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }

  private static byte[] raise(ClassFile format, ClassModel model) {
    // Code has to be taken apart and put together again for its stack maps to be made.
    ClassTransform code =
        ClassTransform.transformingMethodBodies((builder, part) -> builder.with(part));
    return format.transformClass(
        model,
        code.andThen((builder, part) -> {
          if (part instanceof ClassFileVersion) {
            builder.withVersion(RAISED, 0);
          } else {
            builder.with(part);
          }
        }));
  }
}
