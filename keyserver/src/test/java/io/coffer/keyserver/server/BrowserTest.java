package io.coffer.keyserver.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.coffer.keyserver.json.JsonObject;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.opentest4j.TestAbortedException;

/** The page in a real browser whose JavaScript is off. */
class BrowserTest {
  private static final String BOX = "/v1/services/cinder/owners/project:hpc/keys";

  @TempDir Path directory;

  private TestServer server;
  private Browser browser;

  @BeforeEach
  void start() throws Exception {
    Path program = Browser.find();
    if (program == null) {
      System.err.println("SKIPPED BrowserTest: chromium is not installed");
      throw new TestAbortedException("chromium is not installed");
    }
    server = new TestServer(directory.resolve("home"));
    PageTest.furnish(server);
    browser = Browser.start(program, server.operator());
  }

  @AfterEach
  void stop() throws Exception {
    if (browser != null) {
      browser.close();
    }
    if (server != null) {
      server.close();
    }
  }

  /** Keeps a picture where somebody asked for it. */
  private void picture(String name) throws Exception {
    String wanted = System.getProperty("coffer.test.pictures");
    if (wanted == null) {
      return;
    }
    Path pictures = Files.createDirectories(Path.of(wanted));
    for (int width : new int[] {1200, 390}) {
      for (boolean dark : new boolean[] {false, true}) {
        browser.look(width, dark);
        browser.picture(
            pictures.resolve(name + "-" + width + (dark ? "-dark" : "-light") + ".png"));
      }
    }
    browser.lookAtAll();
  }

  @Test
  void anOwnerFindsAKeyDeletesItAndRestoresIt() throws Exception {
    browser.be(server.as("client:alice"));
    browser.open("/");
    assertTrue(browser.text().contains("You are client:alice"), browser.text());
    picture("home-client");
    browser.click("Owners and keys");
    browser.click("project:hpc");
    picture("owner");
    browser.click("Keys for cinder");
    picture("keys");
    browser.click("volume 1");
    picture("key");
    assertTrue(browser.text().contains("256 bits"), browser.text());
    browser.click("Delete the key");
    picture("delete");
    assertTrue(browser.text().contains("can be restored until its grace is over"), browser.text());
    browser.click("Delete it");
    assertTrue(browser.text().contains("The key is deleted"), browser.text());
    String address = browser.evaluate("location.pathname");
    String id = address.substring(address.lastIndexOf('/') + 1);
    assertEquals(410, server.as("client:alice").get(BOX + "/" + id + "/wrapped").status());
    browser.click("Restore the key");
    browser.click("Restore it");
    assertTrue(browser.text().contains("The key is restored"), browser.text());
    assertEquals(200, server.as("client:alice").get(BOX + "/" + id + "/wrapped").status());
  }

  @Test
  void anOwnerMakesAKeyAndGivesSomebodyRightsOnIt() throws Exception {
    browser.be(server.as("client:alice"));
    browser.open("/page/services/cinder/owners/project:hpc/keys?q=made+by+form");
    browser.click("Make a key");
    browser.type("Name", "made by form");
    picture("new-key");
    browser.click("Make it");
    assertTrue(browser.text().contains("The key was made"), browser.text());
    browser.click("made by form");
    browser.click("Give somebody rights");
    browser.type("Who", "client:guest");
    picture("rights");
    browser.click("Give them");
    assertTrue(browser.text().contains("The rights are given"), browser.text());
    assertTrue(browser.text().contains("client:guest"), browser.text());
    browser.click("Take away from client:guest");
    browser.click("Take them away");
    assertTrue(browser.text().contains("Nobody but the members"), browser.text());
    browser.click("Delete the key");
    browser.click("Delete it");
  }

  @Test
  void anOwnerIssuesATokenForAKey() throws Exception {
    browser.be(server.as("client:alice"));
    browser.open("/page/services/cinder/owners/project:hpc/keys?q=volume+1");
    browser.click("volume 1");
    browser.click("Issue a token for it");
    browser.type("Who shows it", "endpoint:node1");
    picture("new-token");
    browser.click("Issue it");
    assertTrue(browser.text().contains("It is shown this once"), browser.text());
    picture("token");
    browser.click("To the tokens");
    assertTrue(browser.text().contains("endpoint:node1"), browser.text());
  }

  @Test
  void anOperatorSetsAQuotaAndOpensTheDoor() throws Exception {
    browser.open("/page/owners/project:hpc");
    browser.click("Set the quota");
    browser.type("Keys", "77");
    browser.click("Set it");
    assertTrue(browser.text().contains("77 keys in each lock box"), browser.text());
    browser.click("Open the door");
    browser.type("Roles of Keystone that are user", "member");
    picture("open-door");
    browser.click("Open it");
    assertTrue(browser.text().contains("The door is open"), browser.text());
    picture("owner-operator");
    browser.click("Close the door");
    browser.click("Close it");
    assertTrue(browser.text().contains("is closed for this owner"), browser.text());
  }

  @Test
  void anOperatorSeesWhichRegisterChangedAndRevokesAToken() throws Exception {
    browser.open("/page");
    picture("home-operator");
    browser.click("Endpoints");
    picture("endpoints");
    browser.click("node2");
    picture("endpoint");
    browser.click("Services");
    picture("services");
    browser.click("cinder");
    picture("service");
    browser.click("Tokens");
    picture("tokens");
    JsonObject before = server.operator().ok("GET", "/v1/tokens", null);
    String id = before.objects("tokens").getFirst().string("id");
    browser.open("/page/tokens?q=" + id);
    browser.click("Revoke");
    browser.click("Revoke it");
    assertTrue(browser.text().contains("The token is revoked"), browser.text());
    JsonObject after = server.operator().ok("GET", "/v1/tokens", null);
    assertEquals(before.objects("tokens").size() - 1, after.objects("tokens").size());
    browser.open("/page/audit");
    assertTrue(browser.text().contains("Only an auditor may read the audit log"), browser.text());
    picture("refused");
  }

  @Test
  void anAuditorSearchesTheLogAndVerifiesIt() throws Exception {
    browser.be(server.as("auditor:aud"));
    browser.open("/page/audit");
    picture("audit");
    browser.type("What, as key.read", "key.create");
    browser.type("Who or from where", "alice");
    browser.enter();
    String rows = browser.evaluate("document.querySelectorAll('tbody tr').length");
    assertTrue(Integer.parseInt(rows) >= 6, "five keys, and the owner's: " + browser.text());
    assertFalse(browser.text().contains("service.create"), browser.text());
    picture("audit-search");
    browser.click("Verify all of it");
    browser.click("Verify it");
    assertTrue(browser.text().contains("being verified"), browser.text());
    assertTrue(
        TestServer.eventually(() -> {
          browser.open("/page/audit");
          return browser.text().contains("intact") && !browser.text().contains("verified again");
        }));
  }

  @Test
  void hostileNamesAreTextAndThePageFitsAPhone() throws Exception {
    browser.be(server.as("client:alice"));
    browser.look(390, false);
    browser.open("/page/services/cinder/owners/project:hpc/keys");
    assertEquals("0", browser.evaluate("document.querySelectorAll('script,img,iframe').length"));
    assertTrue(browser.text().contains(PageTest.HOSTILE), browser.text());
    assertEquals("true", browser.evaluate("document.documentElement.scrollWidth<=390"));
    assertEquals(
        "true",
        browser.evaluate("getComputedStyle(document.body).fontFamily.includes('system-ui')"),
        "the style sheet was taken");
  }
}
