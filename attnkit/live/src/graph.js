export function load() {
  throw new Error("not built yet");
}
