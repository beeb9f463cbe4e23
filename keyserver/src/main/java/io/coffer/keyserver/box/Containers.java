package io.coffer.keyserver.box;

import io.coffer.keyserver.engine.EngineException;
import io.coffer.keyserver.json.JsonException;
import io.coffer.keyserver.json.JsonObject;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Containers behind the Barbican door: secrets of a project that belong together. */
public final class Containers {
  private static final int MAX_SECRETS = 100;
  private static final int MAX_CONSUMERS = 1000;

  /** Which names the secrets of a container of a type have; a generic one's have any. */
  private static final Map<String, Set<String>> NAMES =
      Map.of(
          "generic", Set.of(),
          "rsa", Set.of("public_key", "private_key", "private_key_passphrase"),
          "certificate",
              Set.of("certificate", "private_key", "private_key_passphrase", "intermediates"));

  private final Records records;
  private final Secrets secrets;
  private final Shelf shelf;

  Containers(Records records, Secrets secrets, Shelf shelf) {
    this.records = records;
    this.secrets = secrets;
    this.shelf = shelf;
  }

  /**
   * Makes a container.
   *
   * @return its id
   */
  public String create(Visitor visitor, JsonObject request)
      throws ProblemException, EngineException, JsonException {
    request.allow("name", "type", "secret_refs", "creator_id");
    shelf.requireMaker(visitor);
    String type = request.string("type");
    Set<String> allowed = NAMES.get(type);
    if (allowed == null) {
      throw ProblemException.badRequest(
          "this type of container is not known", "Use generic, rsa or certificate.");
    }
    String id = shelf.newId();
    String name = request.optionalString("name");
    List<JsonObject> refs = new ArrayList<>();
    for (JsonObject ref : request.objects("secret_refs")) {
      refs.add(reference(visitor, ref, allowed, refs));
    }
    Set<String> names = new HashSet<>();
    for (JsonObject ref : refs) {
      names.add(String.valueOf(ref.optionalString("name")));
    }
    boolean pair = names.contains("public_key") && names.contains("private_key");
    if ((type.equals("certificate") && !names.contains("certificate"))
        || (type.equals("rsa") && !pair)) {
      throw ProblemException.badRequest(
          "a secret is missing that containers of this type have",
          type.equals("rsa") ? "Name public_key and private_key." : "Name certificate.");
    }
    records.commit(
        Records.create(
            shelf.recordId(visitor.owner(), id),
            shelf
                .start(visitor, id)
                .put("name", name == null || name.isBlank() ? id : Names.label(name))
                .put("type", type)
                .put("secret_refs", refs)));
    return id;
  }

  private JsonObject reference(
      Visitor visitor, JsonObject ref, Set<String> allowed, List<JsonObject> others)
      throws ProblemException, EngineException, JsonException {
    ref.allow("name", "secret_ref");
    String name = ref.optionalString("name");
    String url = ref.string("secret_ref");
    String secret = url.substring(url.replaceAll("/+$", "").lastIndexOf('/') + 1);
    secrets.get(visitor, Names.id(secret.replaceAll("/+$", "")));
    if (!allowed.isEmpty() && !allowed.contains(String.valueOf(name))) {
      throw ProblemException.badRequest(
          "a secret has a name that containers of this type do not have",
          "Use " + String.join(", ", allowed.stream().sorted().toList()) + ".");
    }
    for (JsonObject other : others) {
      if (other.string("secret_id").equals(secret)
          || (name != null && name.equals(other.optionalString("name")))) {
        throw ProblemException.conflict(
            "a secret, or a name, is in the container twice", "Name each once.");
      }
    }
    if (others.size() >= MAX_SECRETS) {
      throw ProblemException.badRequest("too many secrets", "At most " + MAX_SECRETS + ".");
    }
    return new JsonObject()
        .put("name", name == null ? null : Names.label(name))
        .put("secret_id", secret.replaceAll("/+$", ""));
  }

  public JsonObject get(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return shelf.find(visitor, id, "read").json();
  }

  public Shelf.Page list(Visitor visitor, int offset, int limit)
      throws ProblemException, EngineException, JsonException {
    return shelf.list(visitor, offset, limit, null, null);
  }

  /** Adds a secret to a generic container, or removes it. */
  public void secret(Visitor visitor, String id, JsonObject request, boolean add)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = shelf.find(visitor, id, "manage");
    if (!loaded.json().string("type").equals("generic")) {
      throw ProblemException.badRequest(
          "only a generic container's secrets change", "Make a new container.");
    }
    List<JsonObject> refs = new ArrayList<>(loaded.json().objects("secret_refs"));
    if (add) {
      refs.add(reference(visitor, request, Set.of(), refs));
    } else {
      String url = request.string("secret_ref");
      List<JsonObject> kept = new ArrayList<>();
      for (JsonObject ref : refs) {
        if (!url.endsWith(ref.string("secret_id"))) {
          kept.add(ref);
        }
      }
      if (kept.size() == refs.size()) {
        throw ProblemException.notFound(
            "the secret is not in the container", "GET the container to see what is.");
      }
      refs = kept;
    }
    loaded.json().put("secret_refs", refs).put("updated", Shelf.time(shelf.now()));
    records.commit(Records.update(loaded));
  }

  /** Deletes a container that nobody needs; its secrets stay. */
  public void delete(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    Records.Loaded loaded = shelf.find(visitor, id, "delete");
    if (!loaded.json().objects("consumers").isEmpty()) {
      throw ProblemException.conflict(
          "the container has consumers", "Remove them first, when they need it no more.");
    }
    records.commit(shelf.deletion(loaded));
  }

  /** Adds or removes something that needs the container. */
  public JsonObject consumer(Visitor visitor, String id, JsonObject request, boolean add)
      throws ProblemException, EngineException, JsonException {
    request.allow("name", "URL");
    String name = Names.label(request.string("name"));
    String url = Names.label(request.string("URL"));
    Records.Loaded loaded = shelf.find(visitor, id, "delete");
    List<JsonObject> consumers = new ArrayList<>();
    for (JsonObject each : loaded.json().objects("consumers")) {
      if (!each.string("name").equals(name) || !each.string("URL").equals(url)) {
        consumers.add(each);
      }
    }
    if (!add && consumers.size() == loaded.json().objects("consumers").size()) {
      throw ProblemException.notFound(
          "the container has no such consumer", "GET the container to see them.");
    }
    if (add) {
      consumers.add(new JsonObject().put("name", name).put("URL", url));
    }
    if (consumers.size() > MAX_CONSUMERS) {
      throw ProblemException.conflict("too many consumers", "Make another container.");
    }
    loaded.json().put("consumers", consumers).put("updated", Shelf.time(shelf.now()));
    records.commit(Records.update(loaded));
    return loaded.json();
  }

  public JsonObject acl(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    return shelf.acl(visitor, id);
  }

  public void setAcl(Visitor visitor, String id, JsonObject request, boolean whole)
      throws ProblemException, EngineException, JsonException {
    shelf.setAcl(visitor, id, request, whole, json -> List.of());
  }

  public void removeAcl(Visitor visitor, String id)
      throws ProblemException, EngineException, JsonException {
    shelf.removeAcl(visitor, id, json -> List.of());
  }
}
