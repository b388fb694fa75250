package org.example;

import com.google.rpc.ErrorInfo;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Instant;
import library.frontend.v1.CatalogServiceGrpc;
import library.frontend.v1.CatalogServiceOuterClass.ListBooksRequest;
import library.frontend.v1.LendingServiceGrpc;
import library.frontend.v1.LendingServiceOuterClass.BorrowBookRequest;
import library.frontend.v1.MemberServiceGrpc;
import library.frontend.v1.MemberServiceOuterClass.EnrollUserRequest;

/** Enrols a user, finds a book by the words given, and borrows it until the library refuses. */
public final class Borrow {
  public static void main(String[] arguments) throws Exception {
    String address = arguments[0];
    String words = arguments[1];
    var channel = Grpc.newChannelBuilder(address, InsecureChannelCredentials.create()).build();
    try {
      var user = MemberServiceGrpc.newBlockingStub(channel).enrollUser(EnrollUserRequest.newBuilder()
          .setEmail("java-" + System.nanoTime() + "@example.org").setFirstName("Ada").setLastName("Lovelace").build());
      var book = CatalogServiceGrpc.newBlockingStub(channel).listBooks(ListBooksRequest.newBuilder()
          .setQuery(words).setIncludeUnavailable(true).build()).getBooks(0);
      var lending = LendingServiceGrpc.newBlockingStub(channel);
      var borrowing = BorrowBookRequest.newBuilder()
          .setBookId(book.getId()).setUserId(user.getId()).setDays(14).build();
      while (true) {
        var loan = lending.borrowBook(borrowing);
        var due = Instant.ofEpochSecond(loan.getDueTime().getSeconds());
        System.out.println("borrowed " + loan.getBookTitle() + " until " + due.toString().substring(0, 10));
      }
    } catch (StatusRuntimeException refusal) {
      System.out.println("refused: " + refusal.getStatus().getDescription());
      for (var detail : StatusProto.fromThrowable(refusal).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          var info = detail.unpack(ErrorInfo.class);
          var expected = info.getMetadataOrDefault("next_available_time", "");
          System.out.println("reason: " + info.getReason() + " " + expected);
        }
      }
    } finally {
      channel.shutdownNow();
    }
  }
}
