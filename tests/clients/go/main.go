// Enrols a user, finds a book by the words given, and borrows it until the library refuses.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	frontend "example.org/borrow/gen/library/frontend/v1"
)

func main() {
	address, words := os.Args[1], os.Args[2]
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	email := fmt.Sprintf("go-%d@example.org", time.Now().UnixNano())
	user, err := frontend.NewMemberServiceClient(connection).EnrollUser(ctx,
		&frontend.EnrollUserRequest{Email: email, FirstName: "Ada", LastName: "Lovelace"})
	if err != nil {
		log.Fatal(err)
	}
	found, err := frontend.NewCatalogServiceClient(connection).ListBooks(ctx,
		&frontend.ListBooksRequest{Query: words, IncludeUnavailable: true})
	if err != nil || len(found.Books) == 0 {
		log.Fatalf("no book found: %v", err)
	}
	lending := frontend.NewLendingServiceClient(connection)
	borrowing := &frontend.BorrowBookRequest{BookId: found.Books[0].Id, UserId: user.Id, Days: 14}
	for {
		loan, err := lending.BorrowBook(ctx, borrowing)
		if err != nil {
			explain(err)
			return
		}
		fmt.Printf("borrowed %s until %s\n", loan.BookTitle, loan.DueTime.AsTime().Format(time.DateOnly))
	}
}

func explain(refusal error) {
	fmt.Println("refused:", status.Convert(refusal).Message())
	for _, detail := range status.Convert(refusal).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			fmt.Println("reason:", info.Reason, info.Metadata["next_available_time"])
		}
	}
}
