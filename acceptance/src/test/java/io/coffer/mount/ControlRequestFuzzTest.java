package io.coffer.mount;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.coffer.vfs.PathTranslator;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.NullMarked;

/**
 * Whatever a client of the control socket sends, it gets one answer, and no way out of the root.
 */
@NullMarked
class ControlRequestFuzzTest {
  @FuzzTest(maxDuration = "60s")
  void request(byte[] bytes) {
    PathTranslator echo =
        (PathTranslator)
            Proxy.newProxyInstance(
                PathTranslator.class.getClassLoader(),
                new Class<?>[] {PathTranslator.class},
                (proxy, method, arguments) -> arguments[0]);
    ControlSocket.Answer answer = ControlSocket.answer(bytes, bytes.length, echo);
    assertTrue(answer.errno() >= 0, "errno " + answer.errno());
    String path = answer.result();
    assertTrue(
        (answer.errno() == 0) == !path.isEmpty(), "a result and an error exclude each other");
    assertFalse(path.startsWith("/"), "paths are relative to the root: " + path);
    assertFalse(Arrays.asList(path.split("/", -1)).contains(".."), "no way up: " + path);
    assertTrue(
        answer.warning().getBytes(StandardCharsets.UTF_8).length <= 8L * bytes.length + 200,
        "a warning of bounded length");
  }
}
