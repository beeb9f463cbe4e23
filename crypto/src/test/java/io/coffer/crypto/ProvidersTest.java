package io.coffer.crypto;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("The order of Java's providers")
class ProvidersTest {
  private static final List<String> USUAL = List.of("SUN", "SunRsaSign", "SunEC", "SunJCE", "XML");

  @Test
  @DisplayName("begins with the one of the ciphers, the others as they were")
  void ciphersFirst() {
    Map<String, String> properties = properties(USUAL);
    Providers.putCiphersFirst(properties::get, properties::put);
    assertEquals(List.of("SunJCE", "SUN", "SunRsaSign", "SunEC", "XML"), read(properties));
  }

  @Test
  @DisplayName("lacks none for whoever reads it while it is changed")
  void lacksNone() {
    // A reader that has read some places before the change, and reads each other one after any
    // number of its writes.
    int writes = USUAL.size() + 1;
    for (int before = 0; before <= USUAL.size(); before++) {
      for (int done = 0; done <= writes; done++) {
        for (int step = 0; step <= 2; step++) {
          List<Map<String, String>> moments = new ArrayList<>();
          Map<String, String> properties = properties(USUAL);
          moments.add(Map.copyOf(properties));
          Providers.putCiphersFirst(
              properties::get,
              (name, value) -> {
                properties.put(name, value);
                moments.add(Map.copyOf(properties));
              });
          assertEquals(writes + 1, moments.size());
          Set<String> seen = new LinkedHashSet<>();
          @Nullable String each = "";
          for (int place = 1; each != null; place++) {
            int moment = place <= before ? 0 : Math.min(writes, done + step * (place - before - 1));
            each = moments.get(moment).get("security.provider." + place);
            if (each != null) {
              seen.add(each);
            }
          }
          assertEquals(Set.copyOf(USUAL), Set.copyOf(seen), before + ", " + done + ", " + step);
        }
      }
    }
  }

  @Test
  @DisplayName("stays as it is where it is not the usual one, or the ciphers have no provider")
  void otherOrders() {
    for (List<String> other :
        List.of(List.of("BCFIPS", "SUN", "SunJCE"), List.of("SUN", "SunEC"), List.<String>of())) {
      Map<String, String> properties = properties(other);
      Providers.putCiphersFirst(properties::get, properties::put);
      assertEquals(properties(other), properties);
    }
  }

  private static Map<String, String> properties(List<String> names) {
    Map<String, String> properties = new TreeMap<>();
    for (int i = 0; i < names.size(); i++) {
      properties.put("security.provider." + (i + 1), names.get(i));
    }
    return properties;
  }

  /** As java.security has it: from the first on, each once. */
  private static List<String> read(Map<String, String> properties) {
    Set<String> read = new LinkedHashSet<>();
    for (int i = 1; properties.containsKey("security.provider." + i); i++) {
      read.add(properties.get("security.provider." + i));
    }
    return List.copyOf(read);
  }
}
