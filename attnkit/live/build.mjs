// Builds the one bundle that every widget travels in: `npm run build`.
//
// The bundle is committed, so that neither a reader nor pip needs node. Its first
// line carries a hash of the sources; tests/live/test_bundle.py recomputes the hash
// in Python, and so a stale bundle fails the tests without node.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "static", "attnkit.js");

/** Every .js and .css below `folder`, as paths with forward slashes, sorted. */
function sources(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile() && /\.(js|css)$/.test(path))
    .map((path) => relative(folder, path).split(sep).join("/"))
    .sort();
}

/** sha256 over "path NUL content NUL" of every source, in order of path. */
function fingerprint(folder) {
  const hash = createHash("sha256");
  for (const name of sources(folder)) {
    hash.update(name).update("\0").update(readFileSync(join(folder, name))).update("\0");
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

const result = await build({
  entryPoints: [join(source, "index.js")],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2021",
  charset: "utf8",
  legalComments: "none",
  plugins: [styles],
  banner: { js: `/* attnkit live, sources sha256:${fingerprint(source)} */` },
  write: false,
});
const text = result.outputFiles[0].contents;
writeFileSync(target, text);
const size = (bytes) => `${(bytes / 1024).toFixed(1)} KB`;
console.log(`attnkit.js ${size(text.length)}, gzipped ${size(gzipSync(text, { level: 9 }).length)}`);
