import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.event.EventCartridge;
import org.apache.velocity.app.event.InvalidReferenceEventHandler;
import org.apache.velocity.context.Context;
import org.apache.velocity.context.InternalContextAdapterImpl;
import org.apache.velocity.runtime.RuntimeInstance;
import org.apache.velocity.runtime.directive.StopCommand;
import org.apache.velocity.runtime.parser.node.SimpleNode;
import org.apache.velocity.util.introspection.Info;

/**
 * Renders templates with Velocity 1.7, set up as API Gateway behaves: an undefined reference is the empty string.
 * Reads lines {"template": "...", "variables": {...}}, answers lines {"output": "..."}, {"problem": "..."} for a
 * template that does not parse, or {"failure": "..."} for one that does not render.
 */
public final class VelocityOracle {
    /** Undefined references and methods are the empty string. */
    private static final class Empty implements InvalidReferenceEventHandler {
        public Object invalidGetMethod(Context context, String reference, Object object, String property, Info info) {
            return "";
        }

        public boolean invalidSetMethod(Context context, String left, String right, Info info) {
            return false;
        }

        public Object invalidMethod(Context context, String reference, Object object, String method, Info info) {
            return "";
        }
    }

    /** A list from JSON: prints as compact JSON. */
    public static final class JsonList extends ArrayList<Object> {
        @Override
        public String toString() {
            StringBuilder out = new StringBuilder();
            write(this, out);
            return out.toString();
        }
    }

    /** A map from JSON: prints as Java does, null values as nothing. */
    public static final class JsonMap extends LinkedHashMap<Object, Object> {
        @Override
        public String toString() {
            StringBuilder out = new StringBuilder("{");
            for (Map.Entry<Object, Object> entry : entrySet()) {
                out.append(out.length() > 1 ? ", " : "").append(entry.getKey()).append('=');
                out.append(entry.getValue() == null ? "" : entry.getValue().toString());
            }
            return out.append('}').toString();
        }
    }

    public static void main(String[] arguments) throws Exception {
        RuntimeInstance shared = engine();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<?, ?> job = (Map<?, ?>) new Json(line).value();
            String template = (String) job.get("template");
            // an engine keeps the macros of every template it has seen
            RuntimeInstance engine = template.contains("macro") ? engine() : shared;
            StringBuilder answer = new StringBuilder();
            write(rendered(engine, template, (Map<?, ?>) job.get("variables")), answer);
            out.println(answer);
        }
    }

    private static RuntimeInstance engine() {
        RuntimeInstance engine = new RuntimeInstance();
        engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        engine.setProperty("parser.pool.size", "1");
        engine.init();
        return engine;
    }

    private static Map<String, Object> rendered(RuntimeInstance engine, String template, Map<?, ?> variables) {
        VelocityContext context = new VelocityContext();
        for (Map.Entry<?, ?> entry : variables.entrySet()) {
            context.put((String) entry.getKey(), entry.getValue());
        }
        EventCartridge cartridge = new EventCartridge();
        cartridge.addEventHandler(new Empty());
        cartridge.attachToContext(context);
        Map<String, Object> answer = new LinkedHashMap<>();
        InternalContextAdapterImpl adapter = new InternalContextAdapterImpl(context);
        adapter.pushCurrentTemplateName("template");
        SimpleNode tree;
        try {
            tree = engine.parse(new StringReader(template), "template", true);
            tree.init(adapter, engine);
        } catch (Exception problem) {
            answer.put("problem", String.valueOf(problem));
            return answer;
        }
        StringWriter output = new StringWriter();
        try {
            tree.render(adapter, output);
            answer.put("output", output.toString());
        } catch (StopCommand stop) {
            answer.put("output", output.toString());
        } catch (IOException | RuntimeException | StackOverflowError failure) {
            answer.put("failure", String.valueOf(failure));
        }
        return answer;
    }

    static void write(Object value, StringBuilder out) {
        if (value instanceof Map) {
            String separator = "{";
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                out.append(separator);
                write(String.valueOf(entry.getKey()), out);
                out.append(':');
                write(entry.getValue(), out);
                separator = ",";
            }
            out.append(separator.equals("{") ? "{}" : "}");
        } else if (value instanceof List) {
            String separator = "[";
            for (Object item : (List<?>) value) {
                out.append(separator);
                write(item, out);
                separator = ",";
            }
            out.append(separator.equals("[") ? "[]" : "]");
        } else if (value == null || value instanceof Number || value instanceof Boolean) {
            out.append(value);
        } else {
            quote(value.toString(), out);
        }
    }

    private static void quote(String text, StringBuilder out) {
        out.append('"');
        for (char unit : text.toCharArray()) {
            switch (unit) {
                case '"': out.append("\\\""); break;
                case '\\': out.append("\\\\"); break;
                case '\n': out.append("\\n"); break;
                case '\r': out.append("\\r"); break;
                case '\t': out.append("\\t"); break;
                case '\b': out.append("\\b"); break;
                case '\f': out.append("\\f"); break;
                default:
                    if (unit < ' ') {
                        out.append(String.format("\\u%04x", (int) unit));
                    } else {
                        out.append(unit);
                    }
            }
        }
        out.append('"');
    }

    /** Just enough of a JSON reader: its input is well-formed. */
    private static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object value() {
            blanks();
            char first = text.charAt(at);
            if (first == '{') {
                return map();
            }
            if (first == '[') {
                return list();
            }
            if (first == '"') {
                return string();
            }
            int start = at;
            while (at < text.length() && ",]} \t".indexOf(text.charAt(at)) < 0) {
                at++;
            }
            return scalar(text.substring(start, at));
        }

        private Object scalar(String word) {
            if (word.equals("null")) {
                return null;
            }
            if (word.equals("true") || word.equals("false")) {
                return Boolean.valueOf(word);
            }
            if (word.matches("-?[0-9]+")) {
                BigInteger number = new BigInteger(word);
                if (number.bitLength() < 32) {
                    return number.intValue();
                }
                return number.bitLength() < 64 ? (Object) number.longValue() : number;
            }
            return Double.valueOf(word);
        }

        private Object map() {
            JsonMap map = new JsonMap();
            at++;
            for (blanks(); text.charAt(at) != '}'; blanks()) {
                String key = string();
                blanks();
                at++;
                map.put(key, value());
                comma();
            }
            at++;
            return map;
        }

        private Object list() {
            JsonList list = new JsonList();
            at++;
            for (blanks(); text.charAt(at) != ']'; blanks()) {
                list.add(value());
                comma();
            }
            at++;
            return list;
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                char unit = text.charAt(at);
                if (unit != '\\') {
                    out.append(unit);
                    continue;
                }
                unit = text.charAt(++at);
                int simple = "bfnrt".indexOf(unit);
                if (simple >= 0) {
                    out.append("\b\f\n\r\t".charAt(simple));
                } else if (unit == 'u') {
                    out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                    at += 4;
                } else {
                    out.append(unit);
                }
            }
            at++;
            return out.toString();
        }

        private void comma() {
            blanks();
            if (text.charAt(at) == ',') {
                at++;
            }
        }

        private void blanks() {
            while (at < text.length() && " \t".indexOf(text.charAt(at)) >= 0) {
                at++;
            }
        }
    }
}
