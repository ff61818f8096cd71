// Builds the front end of the widgets: `npm run build`.
//
// static/attnkit.js is what all widgets share, static/<kind>.js one widget; a page loads
// the first and those of its widgets. Neither imports anything: Python and
// book/_static/host.js join them into one text, which is an ES module. A widget is one
// file of src/widgets, with a folder of its name where it needs more; what it imports from
// elsewhere is taken from the shared part.
//
// The files are committed, so that neither a reader nor pip needs node. Their first
// lines carry a hash of their sources; tests/live/test_bundle.py recomputes it in
// Python, and so a stale file fails the tests without node.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "static");

/** Every .js and .css of the sources, as paths with forward slashes, sorted. */
const sources = readdirSync(source, { recursive: true })
  .map((name) => join(source, name))
  .filter((path) => statSync(path).isFile() && /\.(js|css)$/.test(path))
  .map((path) => relative(source, path).split(sep).join("/"))
  .sort();
const isWidget = (name) => name.startsWith("widgets/");
const shared = sources.filter((name) => !isWidget(name));

/** sha256 over "path NUL content NUL" of these sources, in this order. */
function fingerprint(names) {
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(name).update("\0").update(readFileSync(join(source, name))).update("\0");
  }
  return hash.digest("hex");
}

/** Style sheets travel as text for the shadow roots, without their blanks. */
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** "shared:modules": every shared module by its path, for the widgets. */
const modules = {
  name: "modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^shared:modules$/ }, ({ path }) => ({ path, namespace: "shared" }));
    onLoad({ filter: /.*/, namespace: "shared" }, () => {
      const names = shared.filter((name) => /^(core|views|services)\/|^(dom|graph)\.js$/.test(name));
      const imports = names.map((name, i) => `import * as m${i} from "./${name}";`);
      const entries = names.map((name, i) => `"${name}": m${i}`);
      return { contents: `${imports.join("\n")}\nexport const modules = { ${entries.join(", ")} };`, resolveDir: source };
    });
  },
};

/** A widget's imports, turned into reads from the shared part. */
const fromShared = {
  name: "from-shared",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/]widgets[\\/].+\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace(
        /^import \{([^}]*)\} from "(?:\.\.\/)+([^"]+)";$/gm,
        (_, names, module) => `const {${names.replace(/ as /g, ": ")}} = attnkit.modules["${module}"];`,
      ),
    }));
  },
};

async function bundle(entry, name, files, options) {
  const { outputFiles } = await build({
    entryPoints: [join(source, entry)],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2021",
    charset: "utf8",
    legalComments: "none",
    banner: { js: `/* attnkit live, sources sha256:${fingerprint(files)} */` },
    write: false,
    ...options,
  });
  const text = outputFiles[0].contents;
  writeFileSync(join(target, `${name}.js`), text);
  const size = (bytes) => `${(bytes / 1024).toFixed(1)} KB`.padStart(9);
  console.log(`${name.padEnd(20)}${size(text.length)}, gzipped${size(gzipSync(text, { level: 9 }).length)}`);
}

mkdirSync(target, { recursive: true });
await bundle("index.js", "attnkit", shared, {
  globalName: "attnkit",
  plugins: [styles, modules],
  footer: { js: "export default{render:attnkit.render};export const{load,widgets}=attnkit;" },
});
const kinds = sources.filter((name) => /^widgets\/[^/]+\.js$/.test(name)).map((name) => name.slice("widgets/".length, -".js".length));
for (const kind of kinds) {
  const entry = `widgets/${kind}.js`;
  const own = sources.filter((name) => name === entry || name.startsWith(`widgets/${kind}/`));
  await bundle(entry, kind, own, { globalName: `attnkit.widgets.${kind}`, plugins: [fromShared] });
}
for (const name of readdirSync(target)) {
  if (![...kinds, "attnkit"].includes(name.replace(/\.js$/, ""))) rmSync(join(target, name));
}
