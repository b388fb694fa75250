// Lends a book with openapi-fetch, whose types openapi-typescript generated into library.d.ts.
// Its arguments are the address of the library and a word that no other run uses.
import createClient from "openapi-fetch";

import type { components, paths } from "./library.d.ts";

declare const process: { argv: string[] };

type Refusal = components["schemas"]["http-error"];

const [, , baseUrl = "", word = ""] = process.argv;
const library = createClient<paths>({ baseUrl });

function answered<T>(what: string, { data, error }: { data?: T; error?: Refusal }): NonNullable<T> {
  if (data === undefined || data === null) throw new Error(`could not ${what}: ${JSON.stringify(error)}`);
  return data;
}

function say(...words: unknown[]): void {
  console.log(JSON.stringify(words));
}

const title = `A book for ${word}`;
answered("add a book", await library.POST("/admin/v1/books", { body: { title, copies: 1 } }));
answered("sync", await library.POST("/v1/sync:now", { body: {} }));
const found = answered("find the book", await library.GET("/v1/books", { params: { query: { query: title } } }));
const book = found.books[0];
if (!book || found.books.length !== 1) throw new Error(`found ${JSON.stringify(found)}`);
const person = { email: `${word}@example.org`, firstName: "Ada", lastName: "Lovelace" };
const user = answered("enrol", await library.POST("/v1/users", { body: person }));

const path = { bookId: book.id };
const header = { "Idempotency-Key": crypto.randomUUID() };
const body = { userId: user.id, days: 14 };
const borrow = "/v1/books/{bookId}:borrow";
const loan = answered("borrow", await library.POST(borrow, { params: { path, header }, body }));
const lent = Date.parse(loan.dueTime ?? "") - Date.parse(loan.borrowTime ?? "");
const day = 24 * 3600 * 1000;
// The last second of the fourteenth day where the branch is, so up to a day more or a second less.
if (!(lent > 13 * day && lent <= 15 * day)) throw new Error(`lent for ${lent} ms`);
const repeated = answered("repeat the call", await library.POST(borrow, { params: { path, header }, body }));
if (repeated.id !== loan.id) throw new Error(`lent twice: ${repeated.id}`);
say("borrowed", loan.id, loan.bookTitle, loan.state);

const { error: refusal, response } = await library.POST(borrow, { params: { path }, body });
if (response.status !== 400) throw new Error(`answered ${response.status}`);
const reason: string | undefined = refusal?.error.details[0]?.reason;
say("refused", reason, refusal?.error.status);

const given = await library.POST("/v1/loans/{loanId}:return", { params: { path: { loanId: loan.id } }, body: {} });
const returned = answered("return", given);
const state: components["schemas"]["LoanState"] = returned.state;
say("returned", returned.id, state);
