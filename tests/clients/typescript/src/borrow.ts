// Enrols a user, finds a book by the words given, and borrows it until the library refuses.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { CatalogService } from "./gen/library/frontend/v1/catalog_service_pb.js";
import { LendingService } from "./gen/library/frontend/v1/lending_service_pb.js";
import { MemberService } from "./gen/library/frontend/v1/member_service_pb.js";

const [address, words] = process.argv.slice(2);
const transport = createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 60_000 });

const user = await createClient(MemberService, transport).enrollUser({
  email: `typescript-${Date.now()}@example.org`,
  firstName: "Ada",
  lastName: "Lovelace",
});
const catalog = createClient(CatalogService, transport);
const [book] = (await catalog.listBooks({ query: words, includeUnavailable: true })).books;
if (!book) throw new Error("no book found");
const lending = createClient(LendingService, transport);
try {
  for (;;) {
    const loan = await lending.borrowBook({ bookId: book.id, userId: user.id, days: 14 });
    console.log(`borrowed ${loan.bookTitle} until ${timestampDate(loan.dueTime!).toISOString().slice(0, 10)}`);
  }
} catch (error) {
  const refusal = ConnectError.from(error);
  console.log(`refused: ${refusal.rawMessage}`);
  for (const info of refusal.findDetails(ErrorInfoSchema)) {
    console.log("reason:", info.reason, info.metadata["next_available_time"]);
  }
}
