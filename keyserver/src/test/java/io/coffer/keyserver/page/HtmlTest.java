package io.coffer.keyserver.page;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class HtmlTest {
  @Test
  void textsAndValuesAreEscaped() {
    Html link = Html.of("a", "<b>'&\"</b>\u0000").attr("href", "/x").attr("class", "\"><'&");
    assertEquals(
        "<a href=\"/x\" class=\"&quot;&gt;&lt;&#39;&amp;\">"
            + "&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;\uFFFD</a>",
        link.toString());
  }

  @Test
  void addressesElsewhereOrOfOtherKindsAreRefused() {
    for (String address :
        List.of(
            "javascript:alert(1)",
            "//evil.example/",
            "/\\evil.example",
            "https://evil.example/",
            "data:text/html,x",
            "/x\" onclick=\"y",
            " /x",
            "x",
            "")) {
      assertThrows(
          IllegalArgumentException.class, () -> Html.of("a").attr("href", address), address);
    }
    assertEquals(
        "<a href=\"/page/audit?who=a%22b&amp;key=*\"></a>",
        Parts.link(new Address("/page/audit").with("who", "a\"b").with("key", "*").text(), "")
            .toString());
  }

  @Test
  void scriptsStylesAndHandlersAreNotToBeHad() {
    for (String tag : List.of("script", "style", "iframe", "object", "img", "base", "svg")) {
      assertThrows(IllegalArgumentException.class, () -> Html.of(tag), tag);
    }
    for (String attribute : List.of("onclick", "style", "src", "srcdoc", "formaction")) {
      assertThrows(
          IllegalArgumentException.class, () -> Html.of("a").attr(attribute, "x"), attribute);
    }
  }
}
