import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AdminCatalogueApi;
import org.openapitools.client.api.CatalogueApi;
import org.openapitools.client.api.LendingApi;
import org.openapitools.client.api.MembersApi;
import org.openapitools.client.api.SynchronizationApi;
import org.openapitools.client.model.AddBookRequest;
import org.openapitools.client.model.Book;
import org.openapitools.client.model.BorrowBookRequest;
import org.openapitools.client.model.EnrollUserRequest;
import org.openapitools.client.model.HttpError;
import org.openapitools.client.model.Loan;
import org.openapitools.client.model.LoanState;
import org.openapitools.client.model.ReturnBookRequest;
import org.openapitools.client.model.SyncNowRequest;
import org.openapitools.client.model.User;

/**
 * Lends a book through the client that openapi-generator generated. Its arguments are the address of the library and a
 * word that no other run uses.
 */
public final class Borrow {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] arguments) throws Exception {
    String word = arguments[1];
    ApiClient library = new ApiClient();
    library.updateBaseUri(arguments[0]);
    LendingApi lending = new LendingApi(library);

    String title = "A book for " + word;
    new AdminCatalogueApi(library).addBook(new AddBookRequest().title(title).copies(1), null);
    new SynchronizationApi(library).syncNow(new SyncNowRequest());
    List<Book> found = new CatalogueApi(library).listBooks(null, null, null, null, title, null, null, null).getBooks();
    check(found.size() == 1, "found " + found);
    UUID bookId = UUID.fromString(found.get(0).getId());
    EnrollUserRequest person =
        new EnrollUserRequest().email(word + "@example.org").firstName("Ada").lastName("Lovelace");
    User user = new MembersApi(library).enrollUser(person, null);

    String key = UUID.randomUUID().toString();
    BorrowBookRequest wish = new BorrowBookRequest().userId(UUID.fromString(user.getId())).days(14);
    Loan loan = lending.borrowBook(bookId, wish, key);
    Duration lent = Duration.between(loan.getBorrowTime(), loan.getDueTime());
    // The last second of the fourteenth day where the branch is, so up to a day more or a second less.
    boolean isDueOnThatDay = lent.compareTo(Duration.ofDays(13)) > 0 && lent.compareTo(Duration.ofDays(15)) <= 0;
    check(isDueOnThatDay, "lent for " + lent);
    Loan repeated = lending.borrowBook(bookId, wish, key);
    check(repeated.equals(loan), "lent twice: " + repeated);
    say("borrowed", loan.getId(), loan.getBookTitle(), loan.getState());

    try {
      lending.borrowBook(bookId, wish, null);
      throw new IllegalStateException("lent a second copy");
    } catch (ApiException refused) {
      check(refused.getCode() == 400, "answered " + refused.getCode());
      HttpError refusal = library.getObjectMapper().readValue(refused.getResponseBody(), HttpError.class);
      say("refused", refusal.getError().getDetails().get(0).getReason(), refusal.getError().getStatus());
    }

    Loan returned = lending.returnBook(UUID.fromString(loan.getId()), null, new ReturnBookRequest());
    check(returned.getState() == LoanState.LOAN_STATE_RETURNED, "it is " + returned.getState());
    say("returned", returned.getId(), returned.getState());
  }

  private static void check(boolean isRight, String what) {
    if (!isRight) {
      throw new IllegalStateException(what);
    }
  }

  private static void say(Object... words) throws Exception {
    System.out.println(JSON.writeValueAsString(words));
  }
}
