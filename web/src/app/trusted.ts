/** The page's Trusted Types policy: scripts of this origin alone, and no text ever becomes HTML. */

const policy = window.trustedTypes?.createPolicy("default", {
  createScriptURL: (url) => {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError("a foreign script");
    return url;
  },
});

/** Returns the address of a script of ours, as the browser wants it. */
export function scriptUrl(url: string): string {
  return (policy?.createScriptURL(url) ?? url) as string;
}
