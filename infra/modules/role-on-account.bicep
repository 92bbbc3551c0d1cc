// What Keywire may do with the Video Indexer account: ask for tokens. Two ways, neither of them good; docs/security.md
// says what the documentation leaves open.
//
//   contributor  what Microsoft's documentation and samples use. Far more than is needed: it may change and delete the account.
//   custom       a role with the single action. Azure Resource Manager takes it; Video Indexer's documentation says that
//                custom roles are not supported. Unverified in a subscription of ours.
//
// A deployment takes no role away: whoever changes from one to the other, or from one kind of token to the other, removes
// the former assignment.
//
// On the account, never on its group or subscription. The action for Reader tokens is the one for Contributor tokens;
// `restricted-viewer` has an action of its own and is the only token that can't change or delete a video.
param accountName string
param identityName string
param identityPrincipalId string

@allowed([
  'contributor'
  'custom'
])
param role string

@allowed([
  'reader'
  'restricted-viewer'
])
param tokens string

var contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
var customRole = guid(account.id, identityName, tokens)
var groupId = resourceGroup().id
var action = tokens == 'reader' ? 'generateAccessToken' : 'generateRestrictedViewerAccessToken'

resource account 'Microsoft.VideoIndexer/accounts@2024-01-01' existing = {
  name: accountName
}

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (role == 'custom') {
  name: customRole
  properties: {
    // Unique in the tenant.
    roleName: 'Keywire: ${tokens} tokens of ${accountName} (${uniqueString(account.id, identityName)})'
    description: 'Ask for access tokens of a Video Indexer account, and nothing else.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.VideoIndexer/accounts/${action}/action'
        ]
        notActions: []
      }
    ]
    assignableScopes: [
      groupId
    ]
  }
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, identityName, role, tokens)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role == 'custom' ? customRole : contributor)
    principalId: identityPrincipalId
    principalType: 'ServicePrincipal'
  }
  dependsOn: [
    definition
  ]
}
