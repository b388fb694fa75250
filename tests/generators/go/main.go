// Command borrow lends a book through the client that oapi-codegen generated into the package library.
// Its arguments are the address of the library and a word that no other run uses.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"borrow/library"
)

func main() {
	log.SetFlags(0)
	if err := borrow(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func borrow(ctx context.Context, address, word string) error {
	client, err := library.NewClientWithResponses(address)
	if err != nil {
		return err
	}
	title := "A book for " + word
	copies := int32(1)
	added, err := client.AdminCatalogueAddBookWithResponse(ctx, nil, library.AddBookRequest{Title: title, Copies: &copies})
	if err != nil || added.JSON200 == nil {
		return refused("add a book", err, added.Body)
	}
	synced, err := client.SynchronizationSyncNowWithResponse(ctx, library.SyncNowRequest{})
	if err != nil || synced.JSON200 == nil {
		return refused("sync", err, synced.Body)
	}
	listed, err := client.CatalogueListBooksWithResponse(ctx, &library.CatalogueListBooksParams{Query: &title})
	if err != nil || listed.JSON200 == nil || len(listed.JSON200.Books) != 1 {
		return refused("find the book", err, listed.Body)
	}
	bookID := uuid.MustParse(listed.JSON200.Books[0].Id)
	user, err := client.MembersEnrollUserWithResponse(ctx, nil, library.EnrollUserRequest{
		Email: pointer(word + "@example.org"), FirstName: pointer("Ada"), LastName: pointer("Lovelace"),
	})
	if err != nil || user.JSON200 == nil {
		return refused("enrol", err, user.Body)
	}

	key := uuid.NewString()
	params := &library.LendingBorrowBookParams{IdempotencyKey: &key}
	wish := library.BorrowBookRequest{UserId: uuid.MustParse(user.JSON200.Id), Days: pointer(int32(14))}
	borrowed, err := client.LendingBorrowBookWithResponse(ctx, bookID, params, wish)
	if err != nil || borrowed.JSON200 == nil {
		return refused("borrow", err, borrowed.Body)
	}
	loan := *borrowed.JSON200
	// The last second of the fourteenth day where the branch is, so up to a day more or a second less.
	if lent := loan.DueTime.Sub(*loan.BorrowTime); lent <= 13*24*time.Hour || lent > 15*24*time.Hour {
		return fmt.Errorf("lent for %s", lent)
	}
	repeated, err := client.LendingBorrowBookWithResponse(ctx, bookID, params, wish)
	if err != nil || repeated.JSON200 == nil || repeated.JSON200.Id != loan.Id {
		return refused("repeat the call", err, repeated.Body)
	}
	say("borrowed", loan.Id, loan.BookTitle, loan.State)

	again, err := client.LendingBorrowBookWithResponse(ctx, bookID, nil, wish)
	if err != nil || again.StatusCode() != http.StatusBadRequest {
		return refused("be refused a second copy", err, again.Body)
	}
	say("refused", *again.JSON400.Error.Details[0].Reason, again.JSON400.Error.Status)

	returned, err := client.LendingReturnBookWithResponse(ctx, uuid.MustParse(loan.Id), nil, library.ReturnBookRequest{})
	if err != nil || returned.JSON200 == nil {
		return refused("return", err, returned.Body)
	}
	say("returned", returned.JSON200.Id, returned.JSON200.State)
	return nil
}

func refused(what string, err error, body []byte) error {
	return fmt.Errorf("could not %s: %v %s", what, err, body)
}

func say(words ...any) {
	line, err := json.Marshal(words)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func pointer[T any](value T) *T { return &value }
