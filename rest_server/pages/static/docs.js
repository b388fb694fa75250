"use strict";

// Its own switch for the dark is in a layout that also asks for the address of any other document.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

// Samples work for each visitor as they stand: an e-mail address at example.org or example.com is made fresh, since
// another visitor may have enrolled with the one in the document; and ids are those of what the visitor made or looked
// at last, as far as there is any. So one can enrol, add a book and borrow it by three clicks on Execute.
const SAMPLE_ADDRESS = /^([^@\s]+)@(example\.(?:org|com))$/;
const JSON_TYPE = "application/json";
const IDS = "library-rest ids";

const fresh = (value) => {
  if (typeof value === "string") {
    const tag = crypto.getRandomValues(new Uint32Array(2)).reduce((text, part) => text + part.toString(36), "");
    return value.replace(SAMPLE_ADDRESS, `$1-${tag}@$2`);
  }
  if (Array.isArray(value)) return value.map(fresh);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, fresh(part)]));
};

const bodyOf = (operation) => operation?.requestBody?.content?.[JSON_TYPE];
const inText = (sample) => JSON.stringify(sample, null, 2);

const operationsOf = function* (document) {
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [verb, operation] of Object.entries(item)) yield { path, verb, operation };
  }
};

// The kind of thing that an id is of: "book" for `bookId` and `book.id`, and for the `id` in /v1/books/{id}.
const kindOf = (name, path) => {
  const before = /^(?:.*\.)?(\w+?)(?:\.id|Id)$/.exec(name);
  if (before) return before[1].toLowerCase();
  const segment = name === "id" ? /([^/]+)\/\{[^}]*id\}/.exec(path) : null;
  return segment ? segment[1].toLowerCase().replace(/s$/, "") : null;
};

// The ids in an answer, by what the schema says that they are of: `library.v1.Book` is a "book". Of a list, the first.
const idsIn = function* (document, schema, value) {
  const name = schema?.$ref?.split("/").pop();
  const described = name ? document.components.schemas[name] : schema;
  if (!described || value === null || typeof value !== "object") return;
  if (Array.isArray(value)) {
    if (value.length) yield* idsIn(document, described.items, value[0]);
    return;
  }
  if (name && typeof value.id === "string") yield [name.split(".").pop().toLowerCase(), value.id];
  for (const [field, part] of Object.entries(described.properties ?? {})) {
    if (part.$ref || part.type === "array") yield* idsIn(document, part, value[field]);
  }
};

const remembered = () => {
  try {
    return JSON.parse(sessionStorage.getItem(IDS)) ?? {};
  } catch {
    return {};
  }
};

const withIds = (sample, ids, path) =>
  Object.fromEntries(
    Object.entries(sample).map(([name, value]) => [name, (typeof value === "string" && ids[kindOf(name, path)]) || value]),
  );

// Puts ids into samples: into the document before it is shown, and then into what is shown, unless it was edited.
const fillIn = (document, ids, put) => {
  for (const { path, verb, operation } of operationsOf(document)) {
    for (const parameter of operation.parameters ?? []) {
      const id = parameter.in === "path" ? ids[kindOf(parameter.name, path)] : undefined;
      if (id && id !== parameter.example) {
        put?.parameter([path, verb], parameter, id);
        parameter.example = id;
      }
    }
    const body = bodyOf(operation);
    if (body && body.example !== null && typeof body.example === "object" && !Array.isArray(body.example)) {
      const sample = withIds(body.example, ids, path);
      if (inText(sample) !== inText(body.example)) {
        const before = inText(body.example);
        body.example = sample;
        put?.body([path, verb], before, inText(sample));
      }
    }
  }
};

// The samples as the document has them, by operation: a fresh one is made of these.
const originals = new Map();

// The samples that the page was loaded with, as text.
const loaded = new Map();

// Ids of what was made on this page. Another service may hear of it a moment later, so a first call there waits for it.
const made = new Set();
const MOST_WAITING_MS = 15000;
const PAUSE_MS = 200;

// The scheme of tokens in the document. The page keeps a token in memory only, so it is gone when the page is left.
const SCHEME = "Token";

const authorization = (system) => {
  const token = system.authSelectors.authorized()?.getIn([SCHEME, "value"]);
  return token ? { Authorization: `Bearer ${token}` } : {};
};

// After a sign-in on the page, the padlock has the access token of the answer (its name in OAuth, RFC 6749).
const keepToken = (document, system, answer) => {
  const schema = document.components.securitySchemes?.[SCHEME];
  if (schema && typeof answer?.accessToken === "string" && answer.accessToken) {
    system.authActions.authorize({ [SCHEME]: { name: SCHEME, schema, value: answer.accessToken } });
  }
};

const waitUntilThere = async (document, system, path, verb) => {
  const collection = path.slice(0, path.indexOf("{"));
  const resource = Object.keys(document.paths).find(
    (one) => one.startsWith(`${collection}{`) && one.endsWith("}") && one.lastIndexOf("/") < collection.length,
  );
  const name = /\{([^}]+)\}/.exec(path)?.[1];
  const id = system.specSelectors.parameterValues([path, verb])?.get(`path.${name}`);
  if (!made.has(id) || !document.paths[resource]?.get) return;
  const end = performance.now() + MOST_WAITING_MS;
  while (performance.now() < end) {
    const answer = await fetch(`${document.servers[0].url}${collection}${encodeURIComponent(id)}`, {
      headers: authorization(system),
    });
    if (answer.status !== 404) break;
    await new Promise((resume) => setTimeout(resume, PAUSE_MS));
  }
};

const samplesThatWork = () => {
  let shown = null;
  return {
    statePlugins: {
      oas3: {
        wrapActions: {
          // When an operation is opened, its body is set to nothing and then to the sample that was loaded.
          setRequestBodyValue: (original) => (set) => {
            const [path, verb] = set.pathMethod;
            const sample = bodyOf(shown?.paths[path]?.[verb])?.example;
            const isSample = set.value === undefined || set.value === loaded.get(`${verb} ${path}`);
            return original(sample && isSample ? { ...set, value: inText(sample) } : set);
          },
        },
      },
      spec: {
        wrapActions: {
          updateJsonSpec: (original) => (document) => {
            // The page calls where it comes from, whatever name others know this server by.
            document.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
            for (const { path, verb, operation } of operationsOf(document)) {
              const body = bodyOf(operation);
              if (!body?.example) continue;
              originals.set(`${verb} ${path}`, body.example);
              body.example = fresh(body.example);
            }
            fillIn(document, remembered());
            for (const { path, verb, operation } of operationsOf(document)) {
              loaded.set(`${verb} ${path}`, inText(bodyOf(operation)?.example));
            }
            shown = structuredClone(document);
            return original(document);
          },
          execute: (original, system) => async (call) => {
            if (shown && call.method !== "get") await waitUntilThere(shown, system, call.path, call.method);
            return original(call);
          },
          setResponse: (original, system) => (path, verb, response) => {
            const result = original(path, verb, response);
            if (shown && response.status >= 200 && response.status < 300) learn(shown, system, path, verb, response);
            return result;
          },
        },
      },
    },
  };
};

const learn = (document, system, path, verb, response) => {
  const operation = document.paths[path]?.[verb];
  const schema = operation?.responses?.["200"]?.content?.[JSON_TYPE]?.schema;
  const ids = remembered();
  let answer;
  try {
    answer = JSON.parse(response.text);
  } catch {
    return;
  }
  keepToken(document, system, answer);
  // What a visitor made is of more use than what others made, which a list has.
  for (const [kind, id] of idsIn(document, schema, answer)) {
    if (verb !== "get" || !ids[`made ${kind}`]) ids[kind] = id;
    if (verb === "post") {
      ids[`made ${kind}`] = true;
      made.add(id);
    }
  }
  sessionStorage.setItem(IDS, JSON.stringify(ids));
  const put = {
    parameter: (where, parameter, value) => {
      const now = system.specSelectors.parameterValues(where)?.get(`path.${parameter.name}`);
      if (now === undefined || now === parameter.example) {
        // By its name, where the operation was never opened; by itself, where it has its sample already.
        system.specActions.changeParam(where, parameter.name, "path", value, false);
        const known = system.specSelectors.specJsonWithResolvedSubtrees().getIn(["paths", ...where, "parameters"]);
        const itself = known?.find((one) => one.get("in") === "path" && one.get("name") === parameter.name);
        if (now !== undefined && itself) system.specActions.changeParamByIdentity(where, itself, value, false);
      }
    },
    body: (where, before, value) => {
      const now = system.oas3Selectors.requestBodyValue(...where);
      if (now === undefined || now === null || now === before) {
        system.oas3Actions.setRequestBodyValue({ value, pathMethod: where });
      }
    },
  };
  const body = bodyOf(operation);
  const original = originals.get(`${verb} ${path}`);
  const next = fresh(original);
  if (body && inText(next) !== inText(original)) {
    const before = inText(body.example);
    body.example = next;
    put.body([path, verb], before, inText(next));
  }
  fillIn(document, ids, put);
};

SwaggerUIBundle({
  dom_id: "#swagger-ui",
  // Relative, so that it is right below a proxy's prefix, too.
  url: "openapi.json",
  // It would else send the document's address to a validator out there.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  plugins: [samplesThatWork],
});
