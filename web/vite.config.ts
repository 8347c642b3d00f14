import { svelte } from "@sveltejs/vite-plugin-svelte";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, defineConfig, type Plugin } from "vite";

/** Builds src/sw.ts as one classic script that knows every emitted file, and a hash of them all. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    async writeBundle({ dir }, bundle) {
      if (dir === undefined) throw new Error("the build has no folder");
      const files = Object.keys(bundle).filter((file) => !file.endsWith(".map")).toSorted();
      const hash = createHash("sha256").update(files.join());
      hash.update(readFileSync(join(dir, "index.html")));
      await build({
        configFile: false,
        publicDir: false,
        logLevel: "warn",
        define: {
          FILES: JSON.stringify(files),
          VERSION: JSON.stringify(hash.digest("hex").slice(0, 12)),
        },
        build: {
          outDir: dir,
          emptyOutDir: false,
          lib: { entry: "src/sw.ts", formats: ["iife"], name: "sw", fileName: () => "sw.js" },
        },
      });
    },
  };
}

/** Packs large files once, so that the server need not. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    writeBundle({ dir }, bundle) {
      for (const file of Object.keys(bundle)) {
        const body = readFileSync(join(dir ?? "", file));
        if (body.length > 100_000) writeFileSync(join(dir ?? "", `${file}.gz`), gzipSync(body, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), serviceWorker(), packed()],
  worker: { format: "es" },
  build: {
    outDir: process.env["TIDINGS_OUT"] ?? "../src/tidings/static",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
});
