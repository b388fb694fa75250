"use strict";

// Its own switch for the dark is in a layout that also asks for the address of any other document.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  // Relative, so that it is right below a proxy's prefix, too.
  url: "openapi.json",
  // It would else send the document's address to a validator out there.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
});
