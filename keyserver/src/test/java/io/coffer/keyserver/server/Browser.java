package io.coffer.keyserver.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import io.coffer.keyserver.server.TestServer.Client;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A real browser without a screen: Chromium, led over its DevTools protocol, with JavaScript of
 * pages switched off. It talks to the server through a gate of the test, which adds the client's
 * certificate; everything else is passed on as it is.
 */
final class Browser implements AutoCloseable {
  private static final Duration LIMIT = Duration.ofSeconds(60);
  private static final Set<String> NOT_PASSED_ON =
      Set.of("host", "connection", "content-length", "origin", "upgrade", "http2-settings");

  private final HttpServer gate;
  private final Process process;
  private final Path directory;
  private final HttpClient http = HttpClient.newHttpClient();
  private final WebSocket socket;
  private final LinkedBlockingQueue<String> answers = new LinkedBlockingQueue<>();
  private volatile Client client;
  private int number;

  private Browser(
      HttpServer gate, Process process, Path directory, String debugger, Client client) {
    this.directory = directory;
    this.client = client;
    this.gate = gate;
    this.process = process;
    StringBuilder text = new StringBuilder();
    this.socket =
        http.newWebSocketBuilder()
            .buildAsync(
                URI.create(debugger),
                new WebSocket.Listener() {
                  @Override
                  public @Nullable CompletionStage<?> onText(
                      WebSocket webSocket, CharSequence data, boolean last) {
                    text.append(data);
                    if (last) {
                      answers.add(text.toString());
                      text.setLength(0);
                    }
                    webSocket.request(1);
                    return null;
                  }
                })
            .join();
  }

  /** Where Chromium is, or null. */
  static @Nullable Path find() {
    for (String directory : System.getenv("PATH").split(":", -1)) {
      for (String name : List.of("chromium", "chromium-browser", "google-chrome")) {
        Path file = Path.of(directory).resolve(name);
        if (Files.isExecutable(file)) {
          return file;
        }
      }
    }
    return null;
  }

  /**
   * Starts a browser.
   *
   * @param client whose certificate it has
   */
  static Browser start(Path program, Client client) throws Exception {
    HttpServer gate =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    gate.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    Path directory = Files.createTempDirectory("coffer-browser-");
    ProcessBuilder command =
        new ProcessBuilder(
            program.toString(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
            "--lang=en-GB",
            "--remote-debugging-address=127.0.0.1",
            "--remote-debugging-port=0",
            "--user-data-dir=" + directory,
            "about:blank");
    command.environment().put("HOME", directory.toString());
    command.redirectErrorStream(true).redirectOutput(directory.resolve("log").toFile());
    Process process = command.start();
    try {
      Path port = directory.resolve("DevToolsActivePort");
      long end = System.nanoTime() + LIMIT.toNanos();
      while (!Files.exists(port) || Files.readAllLines(port).size() < 2) {
        if (!process.isAlive() || System.nanoTime() > end) {
          throw new IOException("chromium: " + Files.readString(directory.resolve("log")));
        }
        Thread.sleep(50);
      }
      String address = "http://127.0.0.1:" + Files.readAllLines(port).getFirst();
      Browser browser = new Browser(gate, process, directory, debugger(address, end), client);
      gate.createContext("/", browser::passOn);
      gate.start();
      browser.send("Page.enable", new JsonObject());
      browser.send("Emulation.setScriptExecutionDisabled", new JsonObject().put("value", true));
      browser.lookAtAll();
      return browser;
    } catch (Exception | Error e) {
      gate.stop(0);
      end(process);
      remove(directory);
      throw e;
    }
  }

  private static String debugger(String address, long end) throws Exception {
    try (HttpClient http = HttpClient.newHttpClient()) {
      while (true) {
        String list =
            http.send(
                    HttpRequest.newBuilder(URI.create(address + "/json/list")).build(),
                    BodyHandlers.ofString())
                .body();
        JsonObject targets =
            JsonObject.parse(("{\"targets\":" + list + "}").getBytes(UTF_8), Set.of());
        for (JsonObject target : targets.objects("targets")) {
          if (target.string("type").equals("page")) {
            return target.string("webSocketDebuggerUrl");
          }
        }
        if (System.nanoTime() > end) {
          throw new IOException("chromium has no page: " + list);
        }
        Thread.sleep(50);
      }
    }
  }

  /** From now on it has another certificate. */
  void be(Client client) {
    this.client = client;
  }

  private String origin() {
    return "http://127.0.0.1:" + gate.getAddress().getPort();
  }

  private void passOn(HttpExchange exchange) throws IOException {
    Client client = this.client;
    try (exchange) {
      byte[] body = exchange.getRequestBody().readAllBytes();
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(client.base() + exchange.getRequestURI()))
              .method(
                  exchange.getRequestMethod(),
                  body.length == 0 ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body))
              .timeout(LIMIT);
      exchange
          .getRequestHeaders()
          .forEach((name, values) -> {
            if (!NOT_PASSED_ON.contains(name.toLowerCase(java.util.Locale.ROOT))) {
              values.forEach(value -> request.header(name, value));
            }
          });
      String origin = exchange.getRequestHeaders().getFirst("Origin");
      if (origin != null) {
        // What it would be without the gate.
        request.header("Origin", origin.equals(origin()) ? client.base() : origin);
      }
      HttpResponse<byte[]> response =
          client.http().send(request.build(), BodyHandlers.ofByteArray());
      response
          .headers()
          .map()
          .forEach((name, values) -> {
            if (!NOT_PASSED_ON.contains(name)) {
              values.forEach(value -> exchange.getResponseHeaders().add(name, value));
            }
          });
      byte[] answer = response.body();
      exchange.sendResponseHeaders(response.statusCode(), answer.length == 0 ? -1 : answer.length);
      exchange.getResponseBody().write(answer);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private String send(String method, JsonObject parameters) throws Exception {
    number++;
    String text =
        new String(
            new JsonObject()
                .put("id", number)
                .put("method", method)
                .put("params", parameters)
                .toBytes(),
            UTF_8);
    socket.sendText(text, true).join();
    while (true) {
      String answer = answers.poll(LIMIT.toSeconds(), TimeUnit.SECONDS);
      if (answer == null) {
        throw new IOException("chromium does not answer " + method);
      }
      if (answer.startsWith("{\"id\":" + number + ",")) {
        if (answer.contains("\"error\":")) {
          throw new IOException(method + ": " + answer);
        }
        return answer;
      }
    }
  }

  /** Goes to a page, and waits until it is there. */
  void open(String path) throws Exception {
    evaluate("document.title='before'");
    send("Page.navigate", new JsonObject().put("url", origin() + path));
    await("document.title!='before'");
  }

  /** What an expression is, as text. */
  String evaluate(String expression) throws Exception {
    String answer =
        send(
            "Runtime.evaluate",
            new JsonObject()
                .put("expression", "String(" + expression + ")")
                .put("returnByValue", true));
    JsonObject result =
        JsonObject.parse(answer.getBytes(UTF_8), Set.of()).object("result").object("result");
    return result.string("value");
  }

  /** Waits until an expression is true of a page that is loaded. */
  void await(String condition) throws Exception {
    long end = System.nanoTime() + LIMIT.toNanos();
    String last = "";
    while (System.nanoTime() < end) {
      try {
        last = evaluate("document.readyState=='complete'&&!!(" + condition + ")");
        if (last.equals("true")) {
          return;
        }
      } catch (IOException | JsonException e) {
        // Between two pages there is nothing to ask.
        last = e.toString();
      }
      Thread.sleep(50);
    }
    throw new AssertionError(condition + ": " + last + " " + text());
  }

  /** Before a page is painted for the first time, the browser drops what mouse and keys do. */
  private void awaitPaint() throws Exception {
    await("performance.getEntriesByType('paint').length>0");
  }

  /** All that can be read on the page. */
  String text() throws Exception {
    return evaluate("document.body.innerText");
  }

  /**
   * Clicks on the link or button that is called so, with the mouse, and waits for the next page.
   */
  void click(String name) throws Exception {
    String element =
        "[...document.querySelectorAll('main a,main button,header a')]"
            + ".find(e=>e.textContent.trim()=='"
            + name
            + "')";
    awaitPaint();
    await(element);
    String place =
        evaluate(
            "(r=>Math.round(r.x+r.width/2)+' '+Math.round(r.y+r.height/2))("
                + element
                + ".getBoundingClientRect())");
    evaluate("document.title='before'");
    for (String type : List.of("mousePressed", "mouseReleased")) {
      send(
          "Input.dispatchMouseEvent",
          new JsonObject()
              .put("type", type)
              .put("x", Integer.parseInt(place.split(" ", -1)[0]))
              .put("y", Integer.parseInt(place.split(" ", -1)[1]))
              .put("button", "left")
              .put("clickCount", 1));
    }
    await("document.title!='before'");
  }

  /** Types into the field that has this label. */
  void type(String label, String text) throws Exception {
    String field =
        "[...document.querySelectorAll('label')].find(e=>e.textContent=='" + label + "').control";
    awaitPaint();
    await(field);
    evaluate(field + ".focus()");
    evaluate(field + ".select()");
    send("Input.insertText", new JsonObject().put("text", text));
  }

  /** Presses Enter, and waits for the next page. */
  void enter() throws Exception {
    evaluate("document.title='before'");
    for (String type : List.of("keyDown", "keyUp")) {
      send(
          "Input.dispatchKeyEvent",
          new JsonObject()
              .put("type", type)
              .put("key", "Enter")
              .put("code", "Enter")
              .put("text", "\r")
              .put("windowsVirtualKeyCode", 13));
    }
    await("document.title!='before'");
  }

  /** Makes the window so wide, in CSS pixels, for light or dark surroundings. */
  void look(int width, boolean dark) throws Exception {
    look(width, 900, dark);
  }

  /** A window in which all of a page has room: where nothing is scrolled, no click goes astray. */
  void lookAtAll() throws Exception {
    look(1200, 4000, false);
  }

  private void look(int width, int height, boolean dark) throws Exception {
    send(
        "Emulation.setDeviceMetricsOverride",
        new JsonObject()
            .put("width", width)
            .put("height", height)
            .put("deviceScaleFactor", 1)
            .put("mobile", width < 600));
    send(
        "Emulation.setEmulatedMedia",
        new JsonObject()
            .put(
                "features",
                List.of(
                    new JsonObject()
                        .put("name", "prefers-color-scheme")
                        .put("value", dark ? "dark" : "light"))));
  }

  /** A picture of all of the page. */
  void picture(Path file) throws Exception {
    String answer =
        send("Page.captureScreenshot", new JsonObject().put("captureBeyondViewport", true));
    int start = answer.indexOf("\"data\":\"") + 8;
    Files.write(
        file, Base64.getDecoder().decode(answer.substring(start, answer.indexOf('"', start))));
  }

  private static void end(Process process) {
    List<ProcessHandle> children = process.descendants().toList();
    process.destroy();
    try {
      if (!process.waitFor(20, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
      children.forEach(ProcessHandle::destroyForcibly);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    socket.abort();
    http.shutdownNow();
    end(process);
    gate.stop(0);
    remove(directory);
  }

  /** Removes the profile, to which a process may be writing for a moment after it was ended. */
  private static void remove(Path directory) {
    for (int attempt = 0; attempt < 100 && Files.exists(directory); attempt++) {
      try (var files = Files.walk(directory)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(file);
        }
      } catch (IOException | UncheckedIOException e) {
        LockSupport.parkNanos(100_000_000);
      }
    }
  }
}
