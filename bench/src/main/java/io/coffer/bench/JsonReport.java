package io.coffer.bench;

import java.io.StringWriter;
import java.util.Map;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.util.DefaultPrettyPrinter;

/**
 * The results for programs: every sample, and for each system and metric the summary and how many
 * times better the reference is.
 */
final class JsonReport {
  private static final int FORMAT_VERSION = 1;

  private JsonReport() {}

  static String render(Results results) {
    var text = new StringWriter();
    try (JsonGenerator out = new JsonFactory().createGenerator(new Indented(), text)) {
      out.writeStartObject();
      out.writeNumberProperty("version", FORMAT_VERSION);
      out.writeStringProperty("started", results.started().toString());
      machine(out, results.machine());
      out.writeObjectPropertyStart("settings");
      for (Map.Entry<String, String> setting : results.settings().entrySet()) {
        out.writeStringProperty(setting.getKey(), setting.getValue());
      }
      out.writeEndObject();
      out.writeBooleanProperty("cachesDropped", results.cachesDropped());
      out.writeArrayPropertyStart("remarks");
      results.remarks().forEach(out::writeString);
      out.writeEndArray();
      out.writeArrayPropertyStart("systems");
      results.peers().forEach(peer -> system(out, results, peer));
      out.writeEndArray();
      out.writeArrayPropertyStart("failures");
      results.failures().forEach(failure -> failure(out, failure));
      out.writeEndArray();
      out.writeArrayPropertyStart("samples");
      results.samples().forEach(sample -> sample(out, sample));
      out.writeEndArray();
      out.writeEndObject();
    }
    return text + "\n";
  }

  private static void machine(JsonGenerator out, Machine machine) {
    out.writeObjectPropertyStart("machine");
    out.writeStringProperty("processor", machine.processor());
    out.writeNumberProperty("processors", machine.processors());
    out.writeNumberProperty("memoryGiB", rounded(machine.memoryGibibytes()));
    out.writeStringProperty("kernel", machine.kernel());
    out.writeStringProperty("storage", machine.storage());
    out.writeStringProperty("java", machine.javaVersion());
    out.writeEndObject();
  }

  private static void system(JsonGenerator out, Results results, Peer peer) {
    out.writeStartObject();
    out.writeStringProperty("name", peer.name());
    out.writeStringProperty("kind", peer.kind().title());
    out.writeStringProperty("description", peer.description());
    out.writeStringProperty("version", results.version(peer));
    if (peer.mountScript() != null) {
      out.writeStringProperty("mountScript", peer.mountScript());
    }
    out.writeObjectPropertyStart("metrics");
    for (Metric metric : Metric.values()) {
      results
          .summary(peer, metric)
          .ifPresent(summary -> {
            out.writeObjectPropertyStart(metric.key());
            out.writeStringProperty("unit", metric.unit());
            out.writeNumberProperty("median", rounded(summary.median()));
            out.writeNumberProperty("min", rounded(summary.min()));
            out.writeNumberProperty("max", rounded(summary.max()));
            out.writeNumberProperty("samples", summary.count());
            results
                .reference()
                .filter(reference -> !reference.name().equals(peer.name()))
                .flatMap(reference -> results.timesBetter(reference, peer, metric))
                .ifPresent(
                    factor -> out.writeNumberProperty("referenceTimesBetter", rounded(factor)));
            out.writeEndObject();
          });
    }
    out.writeEndObject();
    out.writeEndObject();
  }

  private static void failure(JsonGenerator out, Failure failure) {
    out.writeStartObject();
    out.writeStringProperty("system", failure.peer());
    out.writeNumberProperty("round", failure.round());
    out.writeStringProperty("phase", failure.phase());
    out.writeStringProperty("reason", failure.reason());
    out.writeEndObject();
  }

  private static void sample(JsonGenerator out, Sample sample) {
    out.writeStartObject();
    out.writeStringProperty("system", sample.peer());
    out.writeStringProperty("metric", sample.metric().key());
    out.writeNumberProperty("round", sample.round());
    out.writeNumberProperty("value", rounded(sample.value()));
    out.writeNumberProperty("foreignLoad", rounded(sample.foreignLoad()));
    out.writeNumberProperty("cpuSeconds", rounded(sample.cpuSeconds()));
    out.writeEndObject();
  }

  /** Five digits: more would pretend to be known. */
  private static double rounded(double value) {
    return value == 0
        ? 0
        : new java.math.BigDecimal(value).round(new java.math.MathContext(5)).doubleValue();
  }

  /** Asks the generator for indentation. */
  private static final class Indented extends ObjectWriteContext.Base {
    @Override
    public PrettyPrinter getPrettyPrinter() {
      return new DefaultPrettyPrinter();
    }
  }
}
