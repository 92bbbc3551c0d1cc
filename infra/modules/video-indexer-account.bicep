// What the app has to know of the account. Read from Azure, so that nobody copies a GUID or a region by hand.
param name string

resource account 'Microsoft.VideoIndexer/accounts@2024-01-01' existing = {
  name: name
}

output id string = account.id
output accountId string = account.properties.accountId
output location string = toLower(replace(account.location, ' ', ''))
